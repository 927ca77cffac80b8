"""The doors: they compose, and never decide."""
