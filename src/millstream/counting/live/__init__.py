"""Counting live: workers that commit deltas, and a merger that commits results, over a log with transactions."""
