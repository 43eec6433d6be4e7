"""Unique users per minute, hour, day, week, month and year: the hot path, bulk arrays instead of objects.

Theory of operation: frames become two arrays, times and 64-bit hashes of users (`frames`). The reader of a partition
decides once, block by block and by the watermark before the block, what becomes of each frame (`clock`,
`admission`); everything after is a union of sets (`distinct`, `windows`), which may be repeated, reordered and split
without changing a result.
"""
