"""What every carrier of job events promises. Bind it: subclass `EventBusContract` and give it a `bus` fixture."""

from __future__ import annotations

import asyncio

from semantik.engines.events.base import MOST_BEHIND, Event, EventBus, Subscription


def event(seq: int | None, *, job: str = "job-1", tenant: str = "tenant-1", type_: str = "job.progress") -> Event:
    return Event(tenant_id=tenant, job_id=job, seq=seq, type=type_, payload={"status": "running", "text": "größer"})


async def take(subscription: Subscription, count: int, within_s: float = 5) -> list[Event]:
    async with asyncio.timeout(within_s):
        return [await anext(subscription) for _ in range(count)]


async def nothing_more(subscription: Subscription, for_s: float = 0.3) -> bool:
    try:
        await asyncio.wait_for(anext(subscription), for_s)
    except TimeoutError:
        return True
    return False


class EventBusContract:
    async def test_a_reader_gets_what_is_published_after_it_subscribed_in_order(self, bus: EventBus) -> None:
        subscription = bus.subscribe("tenant-1")
        for seq in range(1, 21):
            await bus.publish(event(seq))
        assert await take(subscription, 20) == [event(seq) for seq in range(1, 21)]
        await subscription.aclose()

    async def test_it_says_what_it_is_while_it_works(self, bus: EventBus) -> None:
        assert (await bus.check())["backend"]

    async def test_readers_of_one_job_or_another_tenant_get_only_theirs(self, bus: EventBus) -> None:
        one, all_, other = bus.subscribe("tenant-1", "job-2"), bus.subscribe("tenant-1"), bus.subscribe("tenant-2")
        await bus.publish(event(1, job="job-3"))
        await bus.publish(event(1, job="job-2"))
        assert await take(one, 1) == [event(1, job="job-2")]
        assert len(await take(all_, 2)) == 2
        assert await nothing_more(other)
        assert await nothing_more(one)

    async def test_a_repeated_or_late_number_is_told_once(self, bus: EventBus) -> None:
        subscription = bus.subscribe("tenant-1", "job-4")
        for seq in (1, 2, 2, 1, 3):
            await bus.publish(event(seq, job="job-4"))
        assert [one.seq for one in await take(subscription, 3)] == [1, 2, 3]
        assert await nothing_more(subscription)

    async def test_passing_events_have_no_number_and_the_newest_wins(self, bus: EventBus) -> None:
        subscription = bus.subscribe("tenant-1", "job-5")
        for number in range(50):
            await bus.publish(Event("tenant-1", "job-5", None, "job.progress", {"number": number}))
        await bus.publish(event(1, job="job-5"))
        found = await take(subscription, 1)
        while found[-1].seq is None:
            found += await take(subscription, 1)
        assert found[-2].payload == {"number": 49}

    async def test_a_reader_that_falls_behind_is_told_to_resync(self, bus: EventBus) -> None:
        subscription = bus.subscribe("tenant-1", "job-6")
        for seq in range(1, MOST_BEHIND + 20):
            await bus.publish(event(seq, job="job-6"))
        async with asyncio.timeout(5):
            while (await anext(subscription)).type != "resync":
                pass

    async def test_a_closed_subscription_ends(self, bus: EventBus) -> None:
        subscription = bus.subscribe("tenant-1")
        await subscription.aclose()
        assert [one async for one in subscription] == []
