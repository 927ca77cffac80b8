"""Encoders: backend names, and those whose spec and tokenizer can be had without the weights."""

BACKENDS = {
    "local": "semantik.engines.embedding.local:open_local",
    "hashing": "semantik.engines.embedding.hashing:open_hashing",
    "remote": "semantik.engines.embedding.remote:open_remote",
}

TEXT_MODELS = {"local": "semantik.engines.embedding.local:describe_local"}
