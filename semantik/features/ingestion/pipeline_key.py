"""The name of everything but the bytes that decides what becomes of a document: equal keys, equal chunks."""

from __future__ import annotations

import hashlib

from semantik.engines.chunking.base import ChunkingSettings
from semantik.kit.settings import Settings


def pipeline_key(extractor_version: str, chunking: ChunkingSettings, model_key: str, generation: int, settings: Settings) -> str:
    """SHA-256 over the extractor's version, the chunking, the model, the generation and the settings of reading."""
    decisive = (
        extractor_version, chunking.strategy, chunking.max_tokens, chunking.overlap_tokens, model_key, generation,
        settings.extract_max_chars, settings.ocr, settings.ocr_languages, settings.ocr_max_pages,
        settings.archive_max_depth, settings.archive_max_members, settings.archive_max_bytes,
    )  # fmt: skip
    return hashlib.sha256(repr(decisive).encode()).hexdigest()
