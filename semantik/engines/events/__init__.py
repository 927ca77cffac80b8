"""Carriers of job events: backend names."""

BACKENDS = {"memory": "semantik.engines.events.memory:MemoryEvents", "redis": "semantik.engines.events.redis:RedisEvents"}
