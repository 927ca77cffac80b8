"""Carries a whole installation to another database, store of originals and index, proves it, and can carry it back."""
