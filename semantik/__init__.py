"""Semantik: a self-hosted evidence workspace."""

__version__ = "0.1.0"
