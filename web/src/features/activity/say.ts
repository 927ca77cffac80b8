/** How a job speaks: its counts, its pace, its story. Pure. */
import type { Job, JobEvent } from "@/api/types";
import { count, counted, eta, rate } from "@/lib/format";
import { isActive, isEnded, jobLook, sentence } from "@/lib/words";

/** "812 of 1,204 · 5.1/s · about 1 min 17 s left" */
export function pace(job: Job): string {
  const { total, done, failed, skipped, quarantined } = job.counts;
  if (total === 0 && job.status === "completed") return unread(job);
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

/** What a job that had no item to work on found instead. */
function unread({ kind, result }: Job): string {
  if (kind !== "ingest_source" || typeof result?.listed !== "number") return "Nothing to do";
  const changes = ["added", "modified", "moved", "deleted"].flatMap((change) => {
    const many = Number(result[change] ?? 0);
    return many > 0 ? [`${count(many)} ${change}`] : [];
  });
  return changes.join(", ") || (result.listed === 0 ? "The source is empty" : "Nothing had changed");
}

/** What stands under a job's name: its error, or what it is at; once it rests, its kind. */
export function under(job: Job): string {
  return job.error?.message ?? (isActive(job.status) ? job.message : null) ?? sentence(job.kind);
}

/** The verbs that are off, those with the same reason together. Nothing for a job that ended when that is the only reason. */
export function offReasons(job: Job): [string, string[]][] {
  const byReason = new Map<string, string[]>();
  for (const [verb, reason] of Object.entries(job.why_not)) {
    if (!job.allowed.includes(verb)) byReason.set(reason, [...(byReason.get(reason) ?? []), verb]);
  }
  return isEnded(job.status) && byReason.size === 1 ? [] : [...byReason];
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

/** How far the job was when an event came: "1 of 3 items · 1 failed". Nothing for an end, which says it itself. */
export function eventDetail({ type, counts, progress }: JobEvent): string {
  if (type !== "job.progress" && type !== "job.paused" && type !== "job.lost" && type !== "job.resumed") return "";
  if (!counts?.total) return typeof progress === "number" ? `${Math.round(progress)} %` : "";
  const { done = 0, failed = 0, skipped = 0, quarantined = 0 } = counts as Partial<Job["counts"]>;
  const parts = [`${count(done + failed + skipped + quarantined)} of ${counted(counts.total, "item")}`];
  if (failed + quarantined > 0) parts.push(`${count(failed + quarantined)} failed`);
  return parts.join(" · ");
}

/** Progress that names nothing and counts nothing would be an empty line. */
const isMute = (event: JobEvent) => event.type === "job.progress" && !event.message && eventDetail(event) === "";

/** Newest first, each event once, without the lines of the log; of a run of progress only the last. */
export function story(events: readonly JobEvent[]): JobEvent[] {
  const bySeq = new Map(events.flatMap((event) => (event.seq === null ? [] : [[event.seq, event] as const])));
  const ordered = [...bySeq.values()].sort((a, b) => (b.seq ?? 0) - (a.seq ?? 0));
  const steps = ordered.filter(
    (event) => event.type !== "job.log" && !event.type.startsWith("item.") && !isMute(event),
  );
  return steps.filter((event, i) => event.type !== "job.progress" || steps[i - 1]?.type !== "job.progress");
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

export function counters(summary: Record<string, number>): { key: string; word: string; count: number }[] {
  return STATUS_ORDER.filter((status) => (summary[status] ?? 0) > 0).map((status) => ({
    key: status,
    word: jobLook(status).word.toLowerCase(),
    count: summary[status] ?? 0,
  }));
}
