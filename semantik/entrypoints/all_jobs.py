"""The one list that imports every feature's job handlers."""

from __future__ import annotations

import semantik.features.collections.jobs
import semantik.features.ingestion.jobs  # noqa: F401 - importing registers the handlers
