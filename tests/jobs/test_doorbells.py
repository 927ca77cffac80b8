"""The bell and the settings of the transport, without any worker."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
import redis

from semantik.jobs.dispatch_celery import RING_S, TICK, CeleryBell, make_app
from semantik.kit.metrics import JOBS_DOORBELLS
from tests import services
from tests.jobs.hiring import no_wire_of_its_own


@pytest.fixture(scope="module")
def broker() -> Iterator[services.Redis]:
    with services.redis_server() as server:
        yield server


def failed() -> float:
    return float(JOBS_DOORBELLS.labels(result="failed")._value.get())


def until_given_up(before: float) -> None:
    end = time.monotonic() + 20
    while failed() == before:
        assert time.monotonic() < end, "the ring is still out"
        time.sleep(0.01)


def test_ringing_a_broker_that_is_gone_takes_no_time_of_the_caller() -> None:
    bell = CeleryBell(f"redis://127.0.0.1:{services.free_port()}/0")
    before = failed()
    with no_wire_of_its_own():
        bell.ring("cpu")
    until_given_up(before)
    assert bell.depth("cpu") is None
    bell.close()


def test_a_frozen_broker_is_given_up_after_two_seconds_and_used_again_when_it_answers(broker: services.Redis) -> None:
    bell = CeleryBell(broker.url)
    bell.ring("cpu")
    while bell.depth("cpu") != 1:
        time.sleep(0.02)
    with broker.frozen():
        before = failed()
        with no_wire_of_its_own():
            bell.ring("cpu")
        assert failed() == before, "the caller goes on while the ring is out"
        until_given_up(before)
        bell.ring("cpu", 5)
        bell.close()
        assert not bell._thread.is_alive(), "what waits is dropped, not tried one after the other"
    again = CeleryBell(broker.url)
    again.ring("io")
    again.close()
    assert again.depth("io") == 1


def test_a_doorbell_is_a_queues_name_and_nothing_else(broker: services.Redis) -> None:
    bell = CeleryBell(broker.url)
    bell.ring("llm")
    bell.close()
    with redis.Redis.from_url(broker.url) as client:
        (message,) = client.lrange("semantik:celery:llm", 0, -1)
        keys = set(client.scan_iter())
    envelope = json.loads(message)
    args, kwargs, options = json.loads(base64.b64decode(envelope["body"]))
    assert (args, kwargs) == (["llm"], {})
    assert not any(options.values()), "no callback, chain or chord"
    headers = envelope["headers"]
    assert headers["ignore_result"] is True
    assert (headers["eta"], headers["expires"], headers["retries"], headers["timelimit"]) == (None, None, 0, [None, None])
    assert all(key.startswith(b"semantik:celery:") and b"celery-task-meta" not in key for key in keys)


def test_the_settings_are_those_that_were_measured() -> None:
    conf = make_app("redis://127.0.0.1:1/0").conf
    assert conf.task_acks_late is False
    assert conf.task_ignore_result is True
    assert conf.result_backend is None
    assert conf.accept_content == ["json"]
    assert conf.enable_utc is True
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_disable_prefetch is True
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert conf.task_time_limit is None
    assert conf.task_soft_time_limit is None
    assert conf.task_default_queue == "semantik"
    assert conf.broker_transport_options["socket_timeout"] == 15
    ringing = make_app("redis://127.0.0.1:1/0", publishing=True).conf
    assert {ringing.broker_transport_options[name] for name in ("socket_timeout", "socket_connect_timeout")} == {RING_S}
    assert ringing.broker_connection_timeout == RING_S == 2
    assert (ringing.broker_transport_options["retry_on_timeout"], ringing.task_publish_retry) == (False, False), "a ring is tried once"
    assert list(conf.beat_schedule) == [TICK]
    assert conf.beat_schedule[TICK]["options"]["expires"] == 10
