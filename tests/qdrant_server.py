"""A stand-in for the Qdrant server, for tests that need several processes on one vector store: no binary of it can be had from a registry.

`tests.services.qdrant()` starts it as a process of its own and yields its URL for SEMANTIK_QDRANT_URL. It speaks the REST calls
that `semantik/engines/vectors/qdrant.py` makes, in the vendor's own models, and answers from the vendor's local mode, so filters,
BM25 with its IDF corpus and scores are those that the congruence test compares. With `--folder` the points survive a kill and a
new start. It is no server to measure: one call at a time, exact search, and 10,000 points are many.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from qdrant_client import models
from qdrant_client.local.qdrant_local import QdrantLocal


def build(store: QdrantLocal) -> FastAPI:
    """Every handler is `async` on purpose: all run on the loop's one thread, which the local mode's SQLite asks for."""
    app = FastAPI()

    @app.exception_handler(ValueError)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        text = str(error)
        status = 404 if "not found" in text else 409 if "already exists" in text else 400
        return JSONResponse({"status": {"error": text}, "time": 0.0}, status)

    @app.get("/")
    async def version() -> dict[str, str]:
        return {"title": "qdrant - stand-in for tests", "version": "1.20.0"}

    @app.get("/collections")
    async def list_collections() -> Any:
        return _answer(store.get_collections())

    @app.get("/collections/{name}/exists")
    async def collection_exists(name: str) -> Any:
        return _answer(models.CollectionExistence(exists=store.collection_exists(name)))

    @app.get("/collections/{name}")
    async def get_collection(name: str) -> Any:
        return _answer(store.get_collection(name))

    @app.put("/collections/{name}")
    async def create_collection(name: str, body: models.CreateCollection) -> Any:
        return _answer(store.create_collection(name, vectors_config=body.vectors, sparse_vectors_config=body.sparse_vectors))

    @app.delete("/collections/{name}")
    async def delete_collection(name: str) -> Any:
        return _answer(store.delete_collection(name))

    @app.put("/collections/{name}/index")
    async def create_index(name: str, body: models.CreateFieldIndex) -> Any:
        store.get_collection(name)
        return _answer(store.create_payload_index(name, body.field_name, body.field_schema))

    @app.put("/collections/{name}/points")
    async def upsert(name: str, body: models.PointsList) -> Any:
        return _answer(store.upsert(name, body.points))

    @app.post("/collections/{name}/points")
    async def retrieve(name: str, body: models.PointRequest) -> Any:
        return _answer(store.retrieve(name, body.ids, with_payload=body.with_payload or False, with_vectors=body.with_vector or False))

    @app.post("/collections/{name}/points/delete")
    async def delete(name: str, body: models.PointIdsList | models.FilterSelector) -> Any:
        return _answer(store.delete(name, body))

    @app.post("/collections/{name}/points/count")
    async def count(name: str, body: models.CountRequest) -> Any:
        return _answer(store.count(name, body.filter, exact=True))

    @app.post("/collections/{name}/points/scroll")
    async def scroll(name: str, body: models.ScrollRequest) -> Any:
        points, after = store.scroll(
            name,
            body.filter,
            limit=body.limit or 10,
            offset=body.offset,
            with_payload=body.with_payload or False,
            with_vectors=body.with_vector or False,
        )
        return _answer(models.ScrollResult(points=points, next_page_offset=after))

    @app.post("/collections/{name}/points/query")
    async def query(name: str, body: models.QueryRequest) -> Any:
        return _answer(_query(store, name, body))

    @app.post("/collections/{name}/points/query/batch")
    async def query_batch(name: str, body: models.QueryRequestBatch) -> Any:
        return _answer([_query(store, name, one) for one in body.searches])

    return app


def _query(store: QdrantLocal, name: str, asked: models.QueryRequest) -> models.QueryResponse:
    return store.query_points(
        name,
        asked.query,  # type: ignore[arg-type]  # same union
        using=asked.using,
        query_filter=asked.filter,
        search_params=asked.params,
        limit=asked.limit or 10,
        offset=asked.offset,
        with_payload=asked.with_payload or False,
        with_vectors=asked.with_vector or False,
    )


def _answer(result: Any) -> JSONResponse:
    def plain(value: Any) -> Any:
        return (
            [plain(one) for one in value]
            if isinstance(value, list)
            else value
            if isinstance(value, bool)
            else value.model_dump(mode="json")
        )

    return JSONResponse({"result": plain(result), "status": "ok", "time": 0.0})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", default=":memory:", help="Where points are kept. Without it they end with the process.")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    # One process, one thread; the flag only tells the vendor that SQLite's own check is not needed across uvicorn's start.
    store = QdrantLocal(chosen.folder, force_disable_check_same_thread=True)
    uvicorn.run(build(store), host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
