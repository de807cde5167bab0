"""Measurements with their bars: `python -m tests.benchmarks [name …]` runs all, or the named ones, and prints a line a row."""
