"""Where documents come from: backend names."""

BACKENDS = {
    "directory": "semantik.engines.connectors.directory:open_directory",
    "upload": "semantik.engines.connectors.upload:open_upload",
}
