import { seed } from "@mock/seed";
import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connectLive, createIntake, type OpenSocket, patched } from "./live";
import { session } from "./session";
import type { Job, JobDetail } from "./types";

const JOB = "/api/v1/jobs/{job_id}";
const job = (given: Partial<Job> = {}): Job => ({
  ...(seed("full", { archive: 1 }).jobs[0] as Job),
  status: "running",
  progress: 40,
  ...given,
});

function cacheWith(row: Job) {
  const cache = new QueryClient();
  cache.setQueryData(["get", JOB, { params: { path: { job_id: row.id } } }], row);
  cache.setQueryData(["get", "/api/v1/jobs", {}], { items: [row], next_cursor: null, summary: {} });
  cache.setQueryData(["get", "/api/v1/jobs", { parseAs: "json" }], {
    pages: [{ items: [row], next_cursor: null, summary: {} }],
    pageParams: [null],
  });
  const read = () => cache.getQueryData<Job>(["get", JOB, { params: { path: { job_id: row.id } } }]);
  const invalidated = vi.spyOn(cache, "invalidateQueries");
  return { cache, read, invalidated };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("a message over a job we know", () => {
  it("never moves progress back while it runs, but does when it starts anew", () => {
    expect(patched(job(), { type: "job.progress", progress: 30 }).progress).toBe(40);
    expect(patched(job(), { type: "job.progress", progress: 55 }).progress).toBe(55);
    expect(patched(job({ status: "failed" }), { type: "job.queued", status: "queued", progress: 0 }).progress).toBe(0);
  });

  it("takes from its end whether it was completed in part", () => {
    const end = { type: "job.completed", status: "completed", metadata: { outcome: "partial" } } as const;
    expect(patched(job({ outcome: null }), end).outcome).toBe("partial");
    expect(patched(job({ outcome: null }), { type: "job.progress", progress: 50 }).outcome).toBeNull();
  });

  it("keeps what the message does not say", () => {
    const next = patched(job({ message: "a.pdf", eta_s: 9 }), { type: "job.progress", counts: { done: 7 } });
    expect(next.counts.done).toBe(7);
    expect(next.message).toBe("a.pdf");
    expect(next.eta_s).toBe(9);
  });
});

describe("the intake", () => {
  it("writes into every answer that shows the job", () => {
    const row = job();
    const { cache, read } = cacheWith(row);
    createIntake(cache).take({ type: "job.progress", job_id: row.id, seq: 5, progress: 70 });
    expect(read()?.progress).toBe(70);
    const plain = cache.getQueryData<{ items: Job[] }>(["get", "/api/v1/jobs", {}]);
    const paged = cache.getQueryData<{ pages: { items: Job[] }[] }>(["get", "/api/v1/jobs", { parseAs: "json" }]);
    expect(plain?.items[0]?.progress).toBe(70);
    expect(paged?.pages[0]?.items[0]?.progress).toBe(70);
  });

  it("keeps what only the page of a job has read when a snapshot comes", () => {
    const { checkpoint, params, repeated_in, waited_for_by, waits_for, ...brief } = job() as JobDetail;
    const { cache, read } = cacheWith({ ...brief, checkpoint, params, repeated_in, waited_for_by, waits_for } as Job);
    createIntake(cache).take({ type: "snapshot", jobs: [{ ...brief, progress: 72 }] });
    expect(read()?.progress).toBe(72);
    expect(read()).toMatchObject({ checkpoint, params, repeated_in, waited_for_by, waits_for });
  });

  it("lets late progress neither turn a job that rests nor show an item in hand, but reads it again", () => {
    const row = job({ status: "paused", display_status: "paused", message: null });
    const { cache, read, invalidated } = cacheWith(row);
    const late = { type: "job.progress", job_id: row.id, seq: null, status: "running", message: "b.pdf" } as const;
    createIntake(cache).take(late);
    expect(read()).toMatchObject({ status: "paused", display_status: "paused", message: null });
    vi.advanceTimersByTime(1000);
    expect(invalidated).toHaveBeenCalled();
  });

  it("drops a repeat and asks again after a gap", () => {
    const row = job();
    const { cache, read, invalidated } = cacheWith(row);
    const intake = createIntake(cache);
    intake.take({ type: "job.progress", job_id: row.id, seq: 5, progress: 60 });
    intake.take({ type: "job.progress", job_id: row.id, seq: 5, progress: 90 });
    expect(read()?.progress).toBe(60);
    intake.take({ type: "job.progress", job_id: row.id, seq: 9, progress: 61 });
    vi.advanceTimersByTime(1000);
    const asked = (path: string) =>
      invalidated.mock.calls.some(([filter]) =>
        filter?.predicate?.({ queryKey: ["get", path] } as unknown as Parameters<
          NonNullable<typeof filter.predicate>
        >[0]),
      );
    expect(asked(`${JOB}/events`)).toBe(true);
  });

  it("takes passing progress without a sequence", () => {
    const row = job();
    const { cache, read } = cacheWith(row);
    const intake = createIntake(cache);
    intake.take({ type: "job.progress", job_id: row.id, seq: 3, progress: 50 });
    intake.take({ type: "job.progress", job_id: row.id, seq: null, progress: 52 });
    intake.take({ type: "job.progress", job_id: row.id, seq: 4, progress: 53 });
    expect(read()?.progress).toBe(53);
  });

  it("turns a burst into one round of questions", () => {
    const row = job();
    const { cache, invalidated } = cacheWith(row);
    const intake = createIntake(cache);
    for (let seq = 1; seq <= 50; seq += 1) intake.take({ type: "job.progress", job_id: row.id, seq, progress: 41 });
    vi.advanceTimersByTime(1000);
    expect(invalidated).toHaveBeenCalledTimes(1);
  });

  it("believes a snapshot", () => {
    const row = job();
    const { cache, read } = cacheWith(row);
    createIntake(cache).take({ type: "snapshot", jobs: [{ ...row, progress: 12, status: "paused" }] });
    expect(read()).toMatchObject({ progress: 12, status: "paused" });
  });
});

describe("the connection", () => {
  type Fake = ReturnType<OpenSocket> & { url: string; protocols: string[]; sent: string[] };
  const sockets: Fake[] = [];
  const open: OpenSocket = (url, protocols) => {
    const fake: Fake = {
      url,
      protocols,
      sent: [],
      onopen: null,
      onmessage: null,
      onclose: null,
      send: (text) => fake.sent.push(String(text)),
      close: () => undefined,
    };
    sockets.push(fake);
    return fake;
  };
  beforeEach(() => {
    sockets.length = 0;
    const { user } = seed("full", { archive: 1 });
    session.start({ access_token: "t0ken", token_type: "bearer", expires_in: 900, user });
  });

  it("shows its token by subprotocol, never in the address", async () => {
    const stop = connectLive(new QueryClient(), { open });
    await vi.advanceTimersByTimeAsync(0);
    expect(sockets[0]?.protocols).toEqual(["semantik", "bearer.t0ken"]);
    expect(sockets[0]?.url).toBe("ws://semantik.test/ws/jobs");
    stop();
  });

  it("comes back with growing patience, and at once patient again after a message", async () => {
    const stop = connectLive(new QueryClient(), { open, random: () => 1 });
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(499);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2);
    expect(sockets).toHaveLength(2);
    sockets[1]?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(999);
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(2);
    expect(sockets).toHaveLength(3);
    sockets[2]?.onmessage?.({ data: JSON.stringify({ type: "snapshot", jobs: [] }) });
    sockets[2]?.onmessage?.({ data: "not json" });
    sockets[2]?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(501);
    expect(sockets).toHaveLength(4);
    stop();
  });

  it("pings while it is open and is silent after it was stopped", async () => {
    const stop = connectLive(new QueryClient(), { open });
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.onopen?.();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(sockets[0]?.sent).toEqual(['{"type":"ping"}']);
    stop();
    sockets[0]?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
  });
});
