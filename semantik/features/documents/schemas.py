"""The JSON of documents, their text and chunks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

State = Literal["pending", "indexed", "partial", "skipped", "failed"]


class Document(BaseModel):
    id: str
    collection_id: str
    source_id: str
    parent_id: str | None = Field(description="The archive or mail it came in.")
    path: str
    name: str
    title: str | None
    state: State
    code: str | None = Field(description="Why it is partial, skipped or failed: a stable word.")
    reason: str | None
    hint: str | None = Field(description="What to do about it.")
    warnings: list[str]
    media_type: str | None
    language: str | None
    size_bytes: int | None
    pages: int | None
    chunk_count: int
    text_chars: int
    tags: list[str]
    metadata: dict[str, Any]
    waiting: bool = Field(description="A newer version, or a retry, waits to be read.")
    modified_at: datetime | None
    indexed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class OutlineEntry(BaseModel):
    title: str
    level: int
    start: int = Field(description="Offset in the document's text, in code points.")
    page: int | None


class DocumentDetail(Document):
    outline: list[OutlineEntry]
    collection_name: str
    source_name: str
    source_kind: str
    children: int = Field(description="Documents inside this one.")


class Text(BaseModel):
    """Part of a document's text: [start, end) in code points."""

    text: str
    start: int
    end: int
    total_chars: int


class Chunk(BaseModel):
    id: str
    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    page: int | None
    heading_path: list[str]
    position: dict[str, Any]
    language: str | None
