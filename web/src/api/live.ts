/**
 * Live jobs: one WebSocket feeds the query cache.
 *
 *   connecting --open--> (snapshot) --> live --close--> waiting --backoff--> connecting
 *
 * The server sends a snapshot first, then messages with a sequence that rises by one per job. A message at or below the
 * last one seen is a repeat and is dropped; one that jumps is a gap, and the job is read again over HTTP. Messages
 * without a sequence are passing progress: it may come late, so it turns no job, and one that rests is read again. While
 * the socket is down, pages poll (`useLiveStatus`).
 */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { isActive, isEnded } from "@/lib/words";
import { refetch } from "./query";
import { refresh, session } from "./session";
import type { Job, JobEvent } from "./types";

export type LiveStatus = "off" | "connecting" | "live" | "waiting";

/** An event of a job as the timeline shows it, or one of the socket's own messages. */
export type LiveMessage = Partial<JobEvent> & { type: string; jobs?: Job[] };

const JOBS = "/api/v1/jobs";
const JOB = "/api/v1/jobs/{job_id}";
const OF_JOB = [JOB, `${JOB}/events`, `${JOB}/logs`, `${JOB}/attempts`, `${JOB}/items`, `${JOB}/graph`];
const OF_COLLECTION = [
  "/api/v1/collections",
  "/api/v1/collections/{collection_id}",
  "/api/v1/collections/{collection_id}/sources",
  "/api/v1/documents",
  "/api/v1/documents/{document_id}",
];

/** Overlays a message on the job we know; progress never goes back within a run. */
export function patched(job: Job, message: LiveMessage): Job {
  const counts = { ...job.counts, ...dropNull(message.counts ?? {}) };
  const status = (message.status ?? job.status) as Job["status"];
  const { rate_per_s, display_status, outcome } = (message.metadata ?? {}) as {
    rate_per_s?: number;
    display_status?: string;
    outcome?: Job["outcome"];
  };
  return {
    ...job,
    status,
    display_status: display_status ?? message.status ?? job.display_status,
    counts,
    progress:
      message.progress === null || message.progress === undefined
        ? job.progress
        : status === "running" && job.status === "running"
          ? Math.max(job.progress ?? 0, message.progress)
          : message.progress,
    eta_s: message.eta_s === undefined ? job.eta_s : message.eta_s,
    rate_per_s: rate_per_s ?? job.rate_per_s,
    message: message.message ?? job.message,
    outcome: outcome ?? job.outcome,
  };
}

function dropNull<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== null && v !== undefined)) as T;
}

/** Writes job changes into every cached answer that shows the job. */
function overlay(cache: QueryClient, id: string, change: (job: Job) => Job): boolean {
  let known = false;
  const touch = (job: Job): Job => {
    if (job.id !== id) return job;
    known = true;
    return change(job);
  };
  cache.setQueriesData<unknown>({ predicate: ({ queryKey }) => queryKey[1] === JOB }, (old: unknown) =>
    old && (old as Job).id ? touch(old as Job) : old,
  );
  cache.setQueriesData<unknown>({ predicate: ({ queryKey }) => queryKey[1] === JOBS }, (old: unknown) => {
    if (!old) return old;
    type Page = { items: Job[] };
    const page = (p: Page) => ({ ...p, items: p.items.map(touch) });
    if ("pages" in (old as object)) {
      const infinite = old as { pages: Page[]; pageParams: unknown[] };
      return { ...infinite, pages: infinite.pages.map(page) };
    }
    return "items" in (old as object) ? page(old as Page) : old;
  });
  return known;
}

/** Takes messages in, one by one; keeps the last sequence per job. Separate from the socket, so that it can be tested alone. */
export function createIntake(cache: QueryClient) {
  const last = new Map<string, number>();
  let due: ReturnType<typeof setTimeout> | null = null;
  const wanted = new Set<string>();

  // Bursts of progress must not become bursts of requests.
  const soon = (...paths: string[]) => {
    for (const path of paths) wanted.add(path);
    due ??= setTimeout(() => {
      due = null;
      const now = [...wanted];
      wanted.clear();
      refetch(cache, ...now);
    }, 800);
  };

  return {
    take(message: LiveMessage) {
      if (message.type === "snapshot") {
        last.clear();
        // It has a job as lists show it: what only the job's own page has read of it stays.
        for (const job of message.jobs ?? []) overlay(cache, job.id, (known) => ({ ...known, ...job }));
        // Ended jobs may be missing from a snapshot: what is on the screen is asked again once.
        refetch(cache, JOBS, ...OF_JOB);
        return;
      }
      if (message.type === "resync") {
        last.clear();
        refetch(cache, JOBS, ...OF_JOB, ...OF_COLLECTION);
        return;
      }
      const id = message.job_id;
      if (!id) return;
      if (typeof message.seq === "number" && message.seq > 0) {
        const before = last.get(id);
        if (before !== undefined && message.seq <= before) return;
        last.set(id, message.seq);
        if (before !== undefined && message.seq > before + 1) soon(JOBS, ...OF_JOB);
      }
      const passing = message.type === "job.progress" && typeof message.seq !== "number";
      let turned = false;
      const known = overlay(cache, id, (job) => {
        if (passing && !isActive(job.status)) {
          turned = true;
          return job;
        }
        const next = patched(job, passing ? { ...message, status: job.status } : message);
        turned ||= next.status !== job.status;
        return next;
      });
      if (turned || !known) soon(JOBS, ...OF_JOB, ...OF_COLLECTION);
      else if (message.type !== "job.progress") soon(...OF_JOB);
      else soon(...OF_COLLECTION);
      if (message.status && isEnded(message.status)) soon(...OF_COLLECTION);
    },
    stop() {
      if (due) clearTimeout(due);
      due = null;
    },
  };
}

type Socket = Pick<WebSocket, "send" | "close"> & {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
};
export type OpenSocket = (url: string, protocols: string[]) => Socket;

let status: LiveStatus = "off";
const listeners = new Set<() => void>();
function setStatus(next: LiveStatus) {
  if (status === next) return;
  status = next;
  for (const listener of listeners) listener();
}

export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => status,
  );
}

/** How often a page that shows moving jobs polls: rarely while the socket works, often while it does not. */
export function usePollEvery(moving: boolean): number | false {
  const live = useLiveStatus() === "live";
  if (live) return moving ? 15_000 : false;
  return moving ? 2_000 : 10_000;
}

const PING_MS = 25_000;

/** Connects until `stop` is called; returns `stop`. */
export function connectLive(
  cache: QueryClient,
  {
    open = (url, protocols) => new WebSocket(url, protocols) as unknown as Socket,
    random = Math.random,
  }: { open?: OpenSocket; random?: () => number } = {},
): () => void {
  const intake = createIntake(cache);
  let socket: Socket | null = null;
  let failures = 0;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let ping: ReturnType<typeof setInterval> | null = null;

  const connect = async () => {
    timer = null;
    setStatus("connecting");
    if (session.isStale()) await refresh().catch(() => false);
    const token = session.token();
    if (stopped || !token) return;
    const url = new URL("/ws/jobs", location.origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const mine = open(url.href, ["semantik", `bearer.${token}`]);
    socket = mine;
    mine.onopen = () => {
      ping = setInterval(() => mine.send(JSON.stringify({ type: "ping" })), PING_MS);
    };
    mine.onmessage = ({ data }) => {
      const message = parse(data);
      if (!message || message.type === "pong") return;
      failures = 0;
      setStatus("live");
      intake.take(message);
    };
    mine.onclose = ({ code }) => {
      if (ping) clearInterval(ping);
      ping = null;
      if (stopped || socket !== mine) return;
      socket = null;
      setStatus("waiting");
      // 4401: the token died while we listened; a new one may be had.
      const renewed = code === 4401 ? refresh().catch(() => false) : Promise.resolve(true);
      failures += 1;
      const wait = Math.min(30_000, 500 * 2 ** Math.min(failures - 1, 6)) * (0.5 + random() / 2);
      void renewed.then(() => {
        if (!stopped) timer = setTimeout(() => void connect(), wait);
      });
    };
  };

  void connect();
  return () => {
    stopped = true;
    intake.stop();
    if (timer) clearTimeout(timer);
    if (ping) clearInterval(ping);
    socket?.close(1000);
    setStatus("off");
  };
}

function parse(data: unknown): LiveMessage | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && "type" in value ? (value as LiveMessage) : null;
  } catch {
    return null;
  }
}
