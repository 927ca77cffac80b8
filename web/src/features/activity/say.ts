/** How a job speaks: its counts, its pace, its story. Pure. */
import type { Job, JobEvent } from "@/api/types";
import { count, counted, eta, rate } from "@/lib/format";
import { jobLook, sentence } from "@/lib/words";

/** "812 of 1,204 · 5.1/s · about 1 min 17 s left" */
export function pace(job: Job): string {
  const { total, done, failed, skipped, quarantined } = job.counts;
  const through = done + failed + skipped + quarantined;
  const parts = [
    total !== null ? `${count(through)} of ${count(total)}` : through > 0 ? `${count(through)} done` : null,
  ];
  if (job.status === "running") {
    parts.push(rate(job.rate_per_s));
    parts.push(eta(job.eta_s));
  }
  return parts.filter(Boolean).join(" · ");
}

/** Seconds from start to end, or to now. */
export function elapsed(job: Job, now: number): number | null {
  if (!job.started_at) return null;
  const end = job.finished_at ? Date.parse(job.finished_at) : now;
  return Math.max(0, (end - Date.parse(job.started_at)) / 1000);
}

/** The sum of the running jobs, 0..100, or null when none knows its total. */
export function sum(jobs: readonly Job[]): number | null {
  let done = 0;
  let total = 0;
  for (const { counts } of jobs) {
    if (!counts.total) continue;
    total += counts.total;
    done += Math.min(counts.total, counts.done + counts.failed + counts.skipped + counts.quarantined);
  }
  return total > 0 ? (100 * done) / total : null;
}

const EVENTS: Record<string, string> = {
  "job.created": "Created",
  "job.enqueued": "Queued",
  "job.queued": "Queued",
  "job.claimed": "Taken by a worker",
  "job.started": "Started",
  "job.running": "Started",
  "job.progress": "Progress",
  "job.checkpoint": "Checkpoint kept",
  "job.pausing": "Pause asked for",
  "job.paused": "Paused",
  "job.resumed": "Resumed",
  "job.cancelling": "Cancel asked for",
  "job.cancelled": "Cancelled",
  "job.completed": "Completed",
  "job.failed": "Failed",
  "job.retrying": "Will be tried again",
  "job.retried": "Tried again",
  "job.restarted": "Restarted from the beginning",
  "job.lost": "Lease lost; taken back",
  "job.rescued": "Taken back from a lost worker",
  "job.stalled": "No progress for a while",
  "job.released": "Handed over",
  "item.failed": "An item failed",
  "item.quarantined": "An item was set aside",
};

export function eventWords(event: JobEvent): string {
  return EVENTS[event.type] ?? sentence(event.type.replace(/^job\./, "").replaceAll(".", " "));
}

const HIDDEN = new Set(["kind", "title"]);

/** What an event carried, in a line. */
export function eventDetail(event: JobEvent): string {
  const { message, counts, progress, metadata } = event;
  const parts: string[] = [];
  // The last item in hand says nothing about an end.
  if (message && event.type !== "job.completed") parts.push(message);
  if (counts?.total) {
    const { done = 0, failed = 0, skipped = 0, quarantined = 0 } = counts as Partial<Job["counts"]>;
    parts.push(`${count(done + failed + skipped + quarantined)} of ${counted(counts.total, "item")}`);
    if (failed + quarantined > 0) parts.push(`${count(failed + quarantined)} failed`);
  } else if (typeof progress === "number" && !message) parts.push(`${Math.round(progress)} %`);
  if (parts.length === 0)
    for (const [key, value] of Object.entries(metadata ?? {})) {
      if (HIDDEN.has(key) || value === null || value === undefined || typeof value === "object") continue;
      parts.push(`${sentence(key).toLowerCase()} ${String(value)}`);
    }
  return parts.slice(0, 4).join(" · ");
}

/** Newest first, each event once; of a run of progress only the last, for the line above the tabs shows the rest. */
export function story(events: readonly JobEvent[]): JobEvent[] {
  const bySeq = new Map(events.flatMap((event) => (event.seq === null ? [] : [[event.seq, event] as const])));
  const ordered = [...bySeq.values()].sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0));
  return ordered.filter((event, i) => event.type !== "job.progress" || ordered[i - 1]?.type !== "job.progress");
}

/** "3 running, 12 queued" in the order of life. */
export const STATUS_ORDER = [
  "running",
  "pausing",
  "cancelling",
  "queued",
  "blocked",
  "paused",
  "failed",
  "completed",
  "cancelled",
  "skipped",
] as const;

export function counters(summary: Record<string, number>): { status: string; word: string; count: number }[] {
  return STATUS_ORDER.filter((status) => (summary[status] ?? 0) > 0).map((status) => ({
    status,
    word: jobLook(status).word.toLowerCase(),
    count: summary[status] ?? 0,
  }));
}
