"""Vector indexes: backend names."""

BACKENDS = {"edge": "semantik.engines.vectors.edge:EdgeStore", "qdrant": "semantik.engines.vectors.qdrant:QdrantStore"}
