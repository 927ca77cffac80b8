"""The one list that imports every feature's job handlers; importing it registers them."""

from __future__ import annotations

from semantik.features.activity import jobs as activity
from semantik.features.archives import jobs as archives
from semantik.features.collections import jobs as collections
from semantik.features.ingestion import jobs as ingestion

MODULES = (activity, archives, collections, ingestion)
