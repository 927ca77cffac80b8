"""Token buckets: backend names."""

BACKENDS = {"memory": "semantik.engines.limits.memory:MemoryBuckets", "redis": "semantik.engines.limits.redis:RedisBuckets"}
