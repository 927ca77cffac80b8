"""Stores of originals: backend names."""

BACKENDS = {"files": "semantik.engines.blobs.files:FileBlobs", "s3": "semantik.engines.blobs.s3:open_s3"}
