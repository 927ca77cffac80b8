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
Language = Annotated[str, StringConstraints(pattern="^[A-Za-z]{2,3}$", to_lower=True)]
MediaType = Annotated[str, StringConstraints(pattern="^[^/\\s]{1,100}/[^/\\s]{1,100}$", to_lower=True), AfterValidator(_sound)]


class Filters(BaseModel):
    """Each list means any of; the lists are joined by and. An empty list does not narrow."""

    model_config = ConfigDict(extra="forbid")

    sources: Words = Field([], description="Ids of sources.", examples=[["0197d7c2-3b1e-7d4c-9f0a-52d6a1c3e4f5"]])
    documents: Words = Field([], description="Ids of documents.", examples=[["0197d7c2-4c2f-7e5d-8a1b-63e7b2d4f5a6"]])
    media_types: Annotated[list[MediaType], Field(max_length=200)] = Field(
        [], description="Of the document, as it was recognised.", examples=[["application/pdf", "message/rfc822"]]
    )
    languages: Annotated[list[Language], Field(max_length=200)] = Field(
        [], description="ISO 639-1, of the passage.", examples=[["en", "de"]]
    )
    tags: Words = Field([], description="Of the document.", examples=[["contracts"]])
    modified_after: datetime | None = Field(
        None, description="Documents modified at this time or later; without an offset it is UTC.", examples=["2025-03-15T00:00:00Z"]
    )
    modified_before: datetime | None = Field(None, description="Documents modified before this time.", examples=["2025-04-01T00:00:00Z"])


class SearchRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"query": "How long is the notice period?", "limit": 5, "explain": True},
                {"query": "E-417", "filters": {"media_types": ["application/pdf"], "languages": ["en"]}, "min_score": 0.3},
            ]
        },
    )

    query: str = Field(
        description="A question or words, in any language; at most 10,000 characters.", examples=["How long is the notice period?"]
    )
    collections: Annotated[list[Word], Field(max_length=1_000)] | None = Field(
        None, description="Ids. Left out: all that you may read.", examples=[["0197d7c2-1a0d-7c3b-8e9f-41c5908d2b3e"]]
    )
    mode: Literal["hybrid", "dense", "sparse"] = Field(
        "hybrid", description="By meaning (dense), by keywords (sparse) or both.", examples=["hybrid"]
    )
    limit: int = Field(10, ge=1, le=100, description="Most hits in this answer.", examples=[10])
    cursor: str | None = Field(
        None,
        max_length=500,
        description="next_cursor of the page before, sent with the same request.",
        examples=["WzEwLCAxMDAsICJlNTE5MGU1YzlhMzcxNGVkIl0"],
    )
    filters: Filters = Field(Filters(), description="Narrow the hits; scores stay as they are.", examples=[{"languages": ["en"]}])
    group_by: Literal["document", "none"] = Field(
        "document", description="document: one hit a document, its best passage. none: every passage.", examples=["document"]
    )
    min_score: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Only hits with at least this score.", examples=[0.3]
    )
    explain: bool = Field(False, description="Say why each hit stands where it stands.", examples=[True])

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
    id: str = Field(examples=["0197d7c2-4c2f-7e5d-8a1b-63e7b2d4f5a6"])
    name: str = Field(examples=["lease-2021.pdf"])
    title: str | None = Field(examples=["Lease of the workshop"])
    path: str = Field(description="Within its source.", examples=["contracts/lease-2021.pdf"])
    media_type: str | None = Field(examples=["application/pdf"])
    collection_id: str = Field(examples=["0197d7c2-1a0d-7c3b-8e9f-41c5908d2b3e"])
    collection_name: str = Field(examples=["Contracts"])
    source_id: str = Field(examples=["0197d7c2-3b1e-7d4c-9f0a-52d6a1c3e4f5"])


class PassageText(BaseModel):
    """`start` and `end` are code points in the document's text: text[start:end] is the passage."""

    text: str = Field(examples=["The notice period is three months to the end of a quarter."])
    start: int = Field(examples=[1042])
    end: int = Field(examples=[1100])


class Span(BaseModel):
    """Code points in passage.text."""

    start: int = Field(examples=[4])
    end: int = Field(examples=[10])


class SideEvidence(BaseModel):
    rank: int | None = Field(description="From 1; null when this side did not find the passage by itself.", examples=[1])
    score: float = Field(description="Cosine (dense) or BM25 (sparse).", examples=[0.8714])
    z: float = Field(description="Standard deviations above random passages of the searched collections.", examples=[4.31])


class SparseEvidence(SideEvidence):
    terms: list[str] = Field(description="Words of the query that the passage holds.", examples=[["notice", "period"]])


class SideWeights(BaseModel):
    dense: float = Field(description="What one deviation in meaning counts.", examples=[2.8])
    sparse: float = Field(description="What one deviation in keywords counts.", examples=[1.0])


class HitExplanation(BaseModel):
    dense: SideEvidence | None = Field(description="Null when meaning was not asked for.")
    sparse: SparseEvidence | None = Field(description="Null when keywords were not asked for.")
    weights: SideWeights
    why: str = Field(
        description="Why the sides count what they count.",
        examples=[
            "the nearest passage stands out in meaning, so meaning counts more than keywords "
            "(2.8 to 1; nearest passage: 4.3 standard deviations above random ones)"
        ],
    )


class SearchHit(BaseModel):
    chunk_id: str = Field(examples=["5743f888-6f68-5a44-b75f-55a4d76e3c6e"])
    score: float = Field(
        ge=0,
        le=1,
        description="How surely it answers: comparable between queries and collections, never rising down the list; see the guide.",
        examples=[0.74],
    )
    document: HitDocument
    page: int | None = Field(description="From 1; null where the format has no pages.", examples=[3])
    heading_path: list[str] = Field(description="Outermost first.", examples=[["Terms", "Notice"]])
    position: dict[str, Any] = Field(
        description="What applies of page, page_end, slide, sheet, row_start and row_end.", examples=[{"page": 3, "page_end": 3}]
    )
    passage: PassageText
    highlights: list[Span] = Field(description="Where the words of the query stand, ascending, apart from each other.")
    more_in_document: int = Field(description="Further passages of this document among the candidates.", examples=[2])
    source_link: str = Field(
        description="Path in the web UI that opens the document at the passage.",
        examples=["/documents/0197d7c2-4c2f-7e5d-8a1b-63e7b2d4f5a6?chunk=5743f888-6f68-5a44-b75f-55a4d76e3c6e"],
    )
    explain: HitExplanation | None = Field(None, description="Only when it was asked for.")


class SearchedCollection(BaseModel):
    id: str = Field(examples=["0197d7c2-1a0d-7c3b-8e9f-41c5908d2b3e"])
    name: str = Field(examples=["Contracts"])


class SearchExplanation(BaseModel):
    weights: SideWeights
    why: str = Field(examples=["only keywords were asked for"])


class SearchAnswer(BaseModel):
    query: str = Field(description="As it was read: control characters became blanks.", examples=["How long is the notice period?"])
    mode: Literal["hybrid", "dense", "sparse"] = Field(examples=["hybrid"])
    hits: list[SearchHit] = Field(description="Best first.")
    next_cursor: str | None = Field(description="Null on the last page.", examples=["WzEwLCAxMDAsICJlNTE5MGU1YzlhMzcxNGVkIl0"])
    took_ms: float = Field(examples=[21.4])
    collections: list[SearchedCollection] = Field(description="What was searched.")
    notes: list[str] = Field(
        description="What a reader of the hits should know.",
        examples=[["The query holds no letter or digit, so there are no keywords to look for."]],
    )
    explain: SearchExplanation | None = Field(None, description="Of the first hit's index; only when it was asked for.")


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


class Question(BaseModel):
    question: str = Field(examples=["What does error E-417 mean?"])
    language: str = Field(examples=["en"])
    about: str = Field(description="What is special about its answer.", examples=["a fault code, in an EPUB manual"])
    collection_id: str = Field(description="Where the answer lies.", examples=["0197d7c2-1a0d-7c3b-8e9f-41c5908d2b3e"])


class Questions(BaseModel):
    items: list[Question]
