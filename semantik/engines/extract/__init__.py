"""Readers of files: backend names."""

BACKENDS = {"pool": "semantik.engines.extract.pool:ExtractorPool"}
