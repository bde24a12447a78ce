"""Measurements side by side: each module has `run(repeats=3) -> dict` and prints a table."""
