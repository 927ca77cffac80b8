/** The state behind the mock: what a server would keep in its tables, in memory, one world per browser. */
import type { components } from "../src/api/generated/schema";

type S = components["schemas"];
export type Row = S["DocumentDetail"] & { text: string; chunks: S["Chunk"][] };
export type JobRow = S["JobDetail"] & {
  events: S["JobEvent"][];
  attempts: S["Attempt"][];
  items: S["JobItem"][];
  /** moves on with each tick */
  moving: boolean;
};

export type Scenario = "full" | "empty" | "fresh" | "out" | "failing" | "loading";

export type Db = {
  scenario: Scenario;
  setupNeeded: boolean;
  signedIn: boolean;
  user: S["User"];
  password: string;
  questions: S["Question"][];
  collections: Omit<S["Collection"], "ledger" | "sources" | "chunks">[];
  sources: Omit<S["Source"], "ledger">[];
  documents: Row[];
  jobs: JobRow[];
  graphs: Record<string, S["Graph"]>;
  schedules: S["Schedule"][];
  runs: Record<string, S["Run"][]>;
  queues: Record<string, Pick<S["QueueState"], "paused_at" | "max_running" | "max_per_tenant" | "kinds">>;
  workers: S["Worker"][];
  /** parts of the server that are down */
  away: string[];
  keys: S["ApiKey"][];
  models: S["Model"][];
  /** called with each live message */
  publish: (message: S["JobEvent"]) => void;
};

let counter = 0;
/** Ids that look like ours and are the same in each run. */
export function newId(): string {
  counter += 1;
  return `0199a000-0000-7000-8000-${counter.toString(16).padStart(12, "0")}`;
}

export const now = () => new Date().toISOString();
export const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

export const STATES = ["indexed", "partial", "skipped", "failed", "pending"] as const;

export function ledgerOf(documents: readonly Row[]): S["Ledger"] {
  const ledger: S["Ledger"] & { reasons: S["Reason"][] } = {
    listed: 0,
    indexed: 0,
    partial: 0,
    skipped: 0,
    failed: 0,
    pending: 0,
    reasons: [],
  };
  const reasons = new Map<string, S["Reason"]>();
  for (const { state, code } of documents) {
    ledger.listed += 1;
    ledger[state] += 1;
    if (state === "indexed" || state === "pending") continue;
    const reason = reasons.get(`${state}/${code}`) ?? { state, code: code ?? "unknown", count: 0 };
    reason.count += 1;
    reasons.set(`${state}/${code}`, reason);
  }
  ledger.reasons = [...reasons.values()];
  return ledger;
}

export function collectionOut(db: Db, row: Db["collections"][number]): S["Collection"] {
  const documents = db.documents.filter((d) => d.collection_id === row.id);
  return {
    ...row,
    ledger: ledgerOf(documents),
    sources: db.sources.filter((s) => s.collection_id === row.id).length,
    chunks: documents.reduce((sum, d) => sum + d.chunk_count, 0),
  };
}

export function sourceOut(db: Db, row: Db["sources"][number]): S["Source"] {
  return { ...row, ledger: ledgerOf(db.documents.filter((d) => d.source_id === row.id)) };
}

/** Text with `# ` headings and `\f` pages into text, outline and one chunk a paragraph. */
export function structure(body: string): {
  text: string;
  outline: S["OutlineEntry"][];
  chunks: S["Chunk"][];
  pages: number;
} {
  const outline: S["OutlineEntry"][] = [];
  const chunks: S["Chunk"][] = [];
  const parts = body.split("\f");
  let text = "";
  let point = 0;
  const path: string[] = [];
  const add = (piece: string) => {
    text += piece;
    point += [...piece].length;
  };
  parts.forEach((part, i) => {
    const page = parts.length > 1 ? i + 1 : null;
    for (const paragraph of part.split(/\n(?=#)|\n\n/)) {
      const [first = "", ...rest] = paragraph.split("\n");
      let content = paragraph;
      if (first.startsWith("# ")) {
        const title = first.slice(2);
        outline.push({ title, level: 1, start: point, page });
        path.splice(0, path.length, title);
        add(`${title}\n\n`);
        content = rest.join("\n");
      }
      if (!content.trim()) continue;
      const start = point;
      add(content);
      chunks.push({
        id: newId(),
        ordinal: chunks.length,
        text: content,
        start,
        end: point,
        tokens: Math.ceil(content.length / 4.2),
        page,
        heading_path: [...path],
        position: page ? { page } : {},
        language: "en",
      });
      add("\n\n");
    }
  });
  return { text, outline, chunks, pages: parts.length };
}

export function createJob(
  db: Db,
  given: Partial<JobRow> & Pick<JobRow, "kind" | "title">,
  { moving = true }: { moving?: boolean } = {},
): JobRow {
  const created_at = given.created_at ?? now();
  const row: JobRow = {
    id: newId(),
    status: "queued",
    display_status: "queued",
    queue: "cpu",
    priority: 5,
    collection_id: null,
    source_id: null,
    created_by: db.user.id,
    created_at,
    started_at: null,
    finished_at: null,
    attempt: 0,
    max_attempts: 5,
    losses: 0,
    counts: { total: null, done: 0, failed: 0, skipped: 0, quarantined: 0 },
    progress: null,
    rate_per_s: null,
    eta_s: null,
    budget: null,
    spent: {},
    estimate: null,
    paused_by: null,
    message: null,
    outcome: null,
    error: null,
    allowed: [],
    why_not: {},
    result: null,
    active_s: 0,
    available_at: created_at,
    correlation_id: null,
    parent_id: null,
    workflow_id: null,
    seq: 0,
    params: given.source_id ? { source_id: given.source_id } : {},
    checkpoint: {
      created: created_at,
      current_index: 0,
      cursor: null,
      expires: null,
      in_hand: null,
      name: given.title,
      state: "queued",
      task_id: "",
      total_items: null,
      updated: null,
    },
    waits_for: [],
    waited_for_by: [],
    repeated_in: [],
    events: [],
    attempts: [],
    items: [],
    moving,
    ...given,
  };
  permit(row);
  if (row.events.length === 0) record(db, row, "job.created", {}, created_at);
  db.jobs.unshift(row);
  return row;
}

const RULES: Record<string, { from: string[]; no: string }> = {
  pause: { from: ["queued", "running"], no: "Only a queued or running job can be paused." },
  resume: { from: ["paused", "pausing"], no: "The job is not paused." },
  cancel: { from: ["queued", "blocked", "running", "pausing", "paused"], no: "The job has already ended." },
  restart: { from: ["failed", "cancelled", "completed"], no: "The job is still at work." },
  priority: { from: ["queued", "blocked", "running", "pausing", "paused"], no: "The job has already ended." },
  retry: { from: ["failed", "cancelled"], no: "Only a failed or cancelled job can be retried." },
  delete: { from: ["completed", "failed", "cancelled", "skipped"], no: "Only an ended job can be deleted." },
};

/** How many of these jobs each verb fits, as the list tells it. */
export function verbsFor(jobs: readonly JobRow[]): Record<string, number> {
  const verbs: Record<string, number> = {};
  for (const { allowed } of jobs) for (const verb of allowed) verbs[verb] = (verbs[verb] ?? 0) + 1;
  return verbs;
}

export function permit(job: JobRow) {
  job.allowed = Object.keys(RULES).filter((verb) => RULES[verb]?.from.includes(job.status));
  job.why_not = Object.fromEntries(
    Object.entries(RULES)
      .filter(([verb]) => !job.allowed.includes(verb))
      .map(([verb, { no }]) => [verb, no]),
  );
}

const SAID: Record<string, string> = {
  "job.created": "Created",
  "job.started": "Started on embedded-1",
  "job.pausing": "Asked to pause",
  "job.paused": "Paused",
  "job.queued": "Resumed",
  "job.cancelling": "Asked to cancel",
  "job.cancelled": "Cancelled",
  "job.completed": "Completed",
};

export function record(
  db: Db,
  job: JobRow,
  type: string,
  metadata: Record<string, unknown>,
  at = now(),
  level = "info",
) {
  const seq = (job.events.at(-1)?.seq ?? 0) + 1;
  const event: S["JobEvent"] = {
    type,
    job_id: job.id,
    seq,
    at,
    level,
    status: job.status,
    progress: job.progress,
    counts: job.counts,
    eta_s: job.eta_s,
    message: job.message,
    collection_id: job.collection_id,
    metadata,
    text: SAID[type] ?? (typeof metadata.text === "string" ? metadata.text : (job.message ?? type)),
  };
  job.seq = seq;
  job.events.push(event);
  db.publish(event);
}

export function turn(db: Db, job: JobRow, status: S["Status"]) {
  job.status = status;
  job.display_status = status;
  job.paused_by = status === "paused" ? "user" : null;
  if (status === "running") {
    job.started_at ??= now();
    job.attempt += 1;
    job.attempts.push({
      fence: job.attempts.length + 1,
      owner: "embedded-1",
      started_at: now(),
      ended_at: null,
      how: null,
      error: null,
      from_cursor: null,
      to_cursor: null,
    });
  }
  if (["completed", "failed", "cancelled"].includes(status)) {
    job.finished_at = now();
    job.message = null;
    job.rate_per_s = null;
    job.eta_s = null;
    job.moving = false;
    const last = job.attempts.at(-1);
    if (last && !last.ended_at) {
      last.ended_at = now();
      last.how = status === "completed" ? "completed" : "control";
    }
  }
  permit(job);
  record(db, job, `job.${status === "running" ? "started" : status}`, {});
}

/** One step of time: queued jobs start, running ones index a document, the last one completes them. */
export function tick(db: Db) {
  for (const job of db.jobs) {
    if (!job.moving) continue;
    if (job.status === "queued") turn(db, job, "running");
    else if (job.status === "pausing") turn(db, job, "paused");
    else if (job.status === "cancelling") turn(db, job, "cancelled");
    else if (job.status === "running") advance(db, job);
  }
}

function advance(db: Db, job: JobRow) {
  const waiting = db.documents.filter((d) => d.source_id === job.source_id && d.state === "pending");
  const next = waiting[0];
  if (next) {
    next.state = "indexed";
    next.chunk_count = Math.max(1, next.chunks.length);
    next.indexed_at = now();
    next.updated_at = now();
  }
  const total = job.counts.total ?? 1;
  const done = Math.min(total, job.counts.done + 1);
  job.counts = { ...job.counts, done };
  job.progress = (100 * (done + job.counts.failed + job.counts.skipped)) / total;
  job.message = waiting[1]?.path ?? next?.path ?? job.message;
  job.rate_per_s = 2;
  job.eta_s = (total - done) / 2;
  if (done + job.counts.failed + job.counts.skipped >= total && waiting.length <= 1) {
    job.outcome = job.counts.failed > 0 ? "partial" : "ok";
    job.result = { documents: total };
    turn(db, job, "completed");
  } else record(db, job, "job.progress", {});
}
