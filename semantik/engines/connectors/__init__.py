"""Where documents come from: backend names. Uploads need none: their bytes are already stored."""

BACKENDS = {"directory": "semantik.engines.connectors.directory:open_directory"}
