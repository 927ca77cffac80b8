"""The whole schema: columns and constraints, never behaviour. Importing this package registers every table."""

from semantik.tables import accounts, base, collections, documents, jobs, moves, sources

__all__ = ["accounts", "base", "collections", "documents", "jobs", "moves", "sources"]
