"""HTTP of search: one question, one ranked list."""

from __future__ import annotations

from fastapi import APIRouter

from semantik.features.search import service
from semantik.features.search.schemas import SearchAnswer, SearchRequest, answer
from semantik.http.dependencies import CurrentRuntime, Reader
from semantik.http.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/v1", tags=["search"], route_class=UnitOfWork)


@router.post("/search", summary="Search by meaning and by keywords", operation_id="search")
async def search(body: SearchRequest, runtime: CurrentRuntime, actor: Reader) -> SearchAnswer:
    return answer(await service.search(runtime, actor, body.request()), explain=body.explain)
