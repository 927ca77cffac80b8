"""Benchmarks: each prints a table, states the machine and its load, and keeps JSON in `bench/results/`."""
