"""JSON of search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from semantik.engines.vectors.base import Filters as EngineFilters
from semantik.features.search.values import Evidence, Grouping, Hit, Mode, Request, SearchResult


def _sound(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("holds a character that cannot be stored")
    return value


Word = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_sound)]
Words = Annotated[list[Word], Field(max_length=200)]


class Filters(BaseModel):
    """Each list means any of; the lists are joined by and."""

    model_config = ConfigDict(extra="forbid")

    sources: Words = []
    documents: Words = []
    media_types: Words = []
    languages: Words = Field([], description="ISO 639-1, of the passage.")
    tags: Words = []
    modified_after: datetime | None = Field(None, description="Documents modified at this time or later; without an offset it is UTC.")
    modified_before: datetime | None = Field(None, description="Documents modified before this time.")


class SearchRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"query": "How long is the notice period?", "limit": 5, "explain": True}]}
    )

    query: str = Field(description="A question or words, in any language; at most 10,000 characters.")
    collections: Annotated[list[Word], Field(max_length=1_000)] | None = Field(None, description="Ids. Left out: all that you may read.")
    mode: Literal["hybrid", "dense", "sparse"] = Field("hybrid", description="By meaning (dense), by keywords (sparse) or both.")
    limit: int = Field(10, ge=1, le=100)
    cursor: str | None = Field(None, max_length=500, description="next_cursor of the page before, sent with the same request.")
    filters: Filters = Filters()
    group_by: Literal["document", "none"] = Field("document", description="document: one hit a document, its best passage.")
    min_score: float | None = Field(None, ge=0, le=1, allow_inf_nan=False, description="Only hits with at least this score.")
    explain: bool = Field(False, description="Say why each hit stands where it stands.")

    def request(self) -> Request:
        wanted = self.filters
        return Request(
            query=self.query,
            collections=None if self.collections is None else tuple(dict.fromkeys(self.collections)),
            mode=Mode(self.mode),
            limit=self.limit,
            cursor=self.cursor,
            filters=EngineFilters(
                sources=tuple(wanted.sources),
                documents=tuple(wanted.documents),
                media_types=tuple(wanted.media_types),
                languages=tuple(wanted.languages),
                tags=tuple(wanted.tags),
                modified_after=_aware(wanted.modified_after),
                modified_before=_aware(wanted.modified_before),
            ),
            group_by=Grouping(self.group_by),
            min_score=self.min_score,
            explain=self.explain,
        )


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


class HitDocument(BaseModel):
    id: str
    name: str
    title: str | None
    path: str
    media_type: str | None
    collection_id: str
    collection_name: str
    source_id: str


class PassageText(BaseModel):
    """`start` and `end` are code points in the document's text: text[start:end] is the passage."""

    text: str
    start: int
    end: int


class Span(BaseModel):
    """Code points in passage.text."""

    start: int
    end: int


class SideEvidence(BaseModel):
    rank: int | None = Field(description="From 1; null when this side did not find the passage by itself.")
    score: float = Field(description="Cosine (dense) or BM25 (sparse).")
    z: float = Field(description="Standard deviations above random passages of the searched collections.")


class SparseEvidence(SideEvidence):
    terms: list[str] = Field(description="Words of the query that the passage holds.")


class SideWeights(BaseModel):
    dense: float
    sparse: float


class HitExplanation(BaseModel):
    dense: SideEvidence | None
    sparse: SparseEvidence | None
    weights: SideWeights
    why: str


class SearchHit(BaseModel):
    chunk_id: str
    score: float = Field(ge=0, le=1, description="See the guide: comparable between queries and collections; not the share of a total.")
    document: HitDocument
    page: int | None
    heading_path: list[str]
    position: dict[str, Any]
    passage: PassageText
    highlights: list[Span]
    more_in_document: int = Field(description="Further passages of this document among the candidates.")
    source_link: str = Field(description="Path in the web UI that opens the document at the passage.")
    explain: HitExplanation | None = None


class SearchedCollection(BaseModel):
    id: str
    name: str


class SearchExplanation(BaseModel):
    weights: SideWeights
    why: str


class SearchAnswer(BaseModel):
    query: str
    mode: Literal["hybrid", "dense", "sparse"]
    hits: list[SearchHit]
    next_cursor: str | None
    took_ms: float
    collections: list[SearchedCollection]
    notes: list[str]
    explain: SearchExplanation | None = None


def answer(result: SearchResult, *, explain: bool) -> SearchAnswer:
    weights = result.weights
    return SearchAnswer(
        query=result.query,
        mode=result.mode.value,
        hits=[_hit(hit, explain=explain) for hit in result.hits],
        next_cursor=result.next_cursor,
        took_ms=result.took_ms,
        collections=[SearchedCollection(id=id, name=name) for id, name in result.collections],
        notes=list(result.notes),
        explain=SearchExplanation(weights=SideWeights(dense=weights.dense, sparse=weights.sparse), why=weights.why)
        if explain and weights is not None
        else None,
    )


def _hit(hit: Hit, *, explain: bool) -> SearchHit:
    passage = hit.passage
    return SearchHit(
        chunk_id=passage.chunk_id,
        score=round(hit.candidate.score, 4),
        document=HitDocument(
            id=passage.document_id,
            name=passage.document_name,
            title=passage.document_title,
            path=passage.document_path,
            media_type=passage.media_type,
            collection_id=passage.collection_id,
            collection_name=hit.collection_name,
            source_id=passage.source_id,
        ),
        page=passage.page,
        heading_path=list(passage.heading_path),
        position=dict(passage.position),
        passage=PassageText(text=passage.text, start=passage.start, end=passage.end),
        highlights=[Span(start=start, end=end) for start, end in hit.highlights],
        more_in_document=hit.more_in_document,
        source_link=hit.source_link,
        explain=_explanation(hit) if explain else None,
    )


def _explanation(hit: Hit) -> HitExplanation:
    candidate = hit.candidate
    return HitExplanation(
        dense=None if candidate.dense is None else SideEvidence(**_numbers(candidate.dense)),
        sparse=None if candidate.sparse is None else SparseEvidence(**_numbers(candidate.sparse), terms=list(hit.terms)),
        weights=SideWeights(dense=candidate.weights.dense, sparse=candidate.weights.sparse),
        why=candidate.weights.why,
    )


def _numbers(evidence: Evidence) -> dict[str, Any]:
    return {"rank": evidence.rank, "score": round(evidence.score, 4), "z": round(evidence.z, 3)}
