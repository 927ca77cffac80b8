"""Every metric, declared once, with the unit in its name. Never label by document, job, tenant or query."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

# prometheus_client reads it when it is imported: each process then counts in a file of this folder.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
_slot = "0"
if SHARED in os.environ:
    # Files by slot instead of by process: a replaced child goes on counting where the last one stopped, and no file is left over.
    values.ValueClass = values.MultiProcessValue(lambda: _slot)  # type: ignore[no-untyped-call]

HTTP_REQUESTS = Counter("semantik_http_requests_total", "HTTP requests answered.", ["method", "route", "status"])
HTTP_SECONDS = Histogram("semantik_http_request_seconds", "Time to answer an HTTP request.", ["method", "route"])

DATABASE_SLOW_QUERIES = Counter("semantik_database_slow_queries_total", "Slow statements, by the function that asked.", ["query"])

SEARCH_SECONDS = Histogram("semantik_search_seconds", "Time of one search, by stage.", ["stage"])

DOCUMENTS_INGESTED = Counter("semantik_documents_ingested_total", "Documents that ended ingestion.", ["state"])
CHUNKS_PUBLISHED = Counter("semantik_chunks_published_total", "Chunks made searchable.")
TEXTS_EMBEDDED = Counter("semantik_texts_embedded_total", "Texts sent through an encoder.", ["engine"])
EMBEDDING_CACHE_HITS = Counter("semantik_embedding_cache_hits_total", "Texts whose vector was already stored.")
STAGE_SECONDS = Histogram("semantik_ingest_stage_seconds", "Time one document spent in a stage.", ["stage"])

EXTRACT_CHILD_KILLS = Counter("semantik_extract_child_kills_total", "Extraction children ended by a limit.", ["limit"])
VECTOR_REBUILDS = Counter("semantik_vector_rebuilds_total", "Rebuilds of the vector index from SQL.", ["reason"])

JOBS_CREATED = Counter("semantik_jobs_created_total", "Jobs enqueued.", ["kind"])
JOBS_FINISHED = Counter("semantik_jobs_finished_total", "Jobs that reached an end.", ["kind", "outcome"])
JOBS_LEASES_LOST = Counter("semantik_jobs_leases_lost_total", "Leases that expired and were taken back.")
JOBS_FENCED_WRITES = Counter("semantik_jobs_fenced_writes_total", "Writes refused because the lease had moved on.")
JOBS_CLAIMED = Counter("semantik_jobs_claimed_total", "Attempts that a worker took from a queue.", ["queue"])
JOBS_QUEUE_WAIT_SECONDS = Histogram("semantik_jobs_queue_wait_seconds", "Time from ready to claimed.", ["queue"])
JOBS_RETRIES = Counter("semantik_jobs_retries_total", "Retries by error class.", ["error_class"])
JOBS_DOORBELLS = Counter("semantik_jobs_doorbells_total", "Doorbells sent, failed to send, or answered with nothing to do.", ["result"])
JOBS_RUN_SECONDS = Histogram("semantik_jobs_run_seconds", "Time from claim to end of an attempt.", ["kind"])
JOBS_READY = Gauge("semantik_jobs_ready", "Jobs ready to run.", ["queue"])
JOBS_RUNNING = Gauge("semantik_jobs_running", "Jobs running.", ["queue"])
JOB_WATCHERS = Gauge("semantik_job_watchers", "Sockets and streams that follow jobs.")
JOB_RESYNCS = Counter("semantik_job_resyncs_total", "Watchers that were too slow and had to look afresh.")
JOBS_BLOCKED = Gauge("semantik_jobs_blocked", "Jobs that wait for others.", ["queue"])
JOBS_OLDEST_READY_SECONDS = Gauge("semantik_jobs_oldest_ready_seconds", "Time that the oldest ready job has waited.", ["queue"])
JOBS_WORKER_SLOTS = Gauge("semantik_jobs_worker_slots", "Jobs that the workers seen in the last minute can run at once.", ["pool"])


def exposition() -> tuple[bytes, str]:
    """All metrics of this process in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def take_slot(number: int) -> None:
    """Says which of its worker's processes this is; no two at a time have the same number."""
    global _slot
    _slot = str(number)


def exposition_of(folder: Path) -> tuple[bytes, str]:
    """What all processes counted in this folder, added up."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
