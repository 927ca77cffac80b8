"""Stores of originals: backend names."""

BACKENDS = {"files": "semantik.engines.blobs.files:FileBlobs"}
