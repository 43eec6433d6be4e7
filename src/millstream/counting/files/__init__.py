"""Counting files and standard input: read ahead, folded in event-time order, resumed from a checkpoint."""
