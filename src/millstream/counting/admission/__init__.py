"""The event clock of a partition, and what becomes of each frame by it."""
