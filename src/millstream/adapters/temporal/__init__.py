"""Temporal, through its own Python package; an optional part.

The check for the package is in `bell.py`: workflows are imported again in a sandbox, where this file is, too.
"""
