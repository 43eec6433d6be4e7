"""Millstream turns streams and files into batches and gets every batch worked once."""
