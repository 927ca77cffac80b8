"""Semantik: a self-hosted evidence workspace."""

import os

__version__ = "0.1.0"

# ONNX Runtime from 1.32 on reports to its maker and leaves an id of the machine in the home folder, unless this is set
# before it is imported; its own disable_telemetry_events() stops neither. We send nothing to anybody.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
