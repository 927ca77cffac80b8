"""Encoders: backend names."""

BACKENDS = {
    "local": "semantik.engines.embedding.local:open_local",
    "hashing": "semantik.engines.embedding.hashing:open_hashing",
    "remote": "semantik.engines.embedding.remote:open_remote",
}
