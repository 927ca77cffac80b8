"""HTTP of search: one question, one ranked list."""

from __future__ import annotations

from fastapi import APIRouter

from semantik.features.search import questions, service
from semantik.features.search.schemas import Questions, SearchAnswer, SearchRequest, answer
from semantik.http.dependencies import CurrentRuntime, Reader, ReadSession
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["search"], route_class=UnitOfWork)


@router.post("/search", summary="Search by meaning and by keywords", operation_id="search")
async def search(body: SearchRequest, runtime: CurrentRuntime, actor: Reader) -> SearchAnswer:
    return answer(await service.search(runtime, actor, body.request()), explain=body.explain)


@router.get("/search/questions", summary="Questions to start with", operation_id="list_questions")
async def list_questions(actor: Reader, session: ReadSession) -> Questions:
    """Tried ones, about the sample corpus. None where there is no collection of it."""
    return Questions(items=await questions.tried(session, actor))
