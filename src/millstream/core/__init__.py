"""Decisions: pure, synchronous, standard library only. No I/O, no clock, no randomness."""
