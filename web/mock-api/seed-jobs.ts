/** The jobs of the full world: one of each fate. */
import { createJob, type Db, minutesAgo } from "./db.ts";

export function seedJobs(db: Db, house: string, folder: string, archive: string, cabinet: string) {
  createJob(
    db,
    {
      kind: "delete_collection",
      title: "Delete “Scratch”",
      status: "completed",
      display_status: "completed",
      outcome: "ok",
      attempt: 1,
      counts: { total: 212, done: 212, failed: 0, skipped: 0, quarantined: 0 },
      progress: 100,
      created_at: minutesAgo(60 * 30),
      started_at: minutesAgo(60 * 30),
      finished_at: minutesAgo(60 * 30 - 1),
    },
    { moving: false },
  );
  const broken = createJob(
    db,
    {
      kind: "ingest_source",
      title: "Sync “notebooks”",
      status: "failed",
      display_status: "failed",
      attempt: 5,
      error: { code: "source_gone", message: "The folder /srv/documents/lab cannot be read: permission denied." },
      created_at: minutesAgo(60 * 5),
      started_at: minutesAgo(60 * 5),
      finished_at: minutesAgo(60 * 5 - 2),
    },
    { moving: false },
  );
  broken.allowed = ["restart", "retry", "delete"];
  const partial = createJob(
    db,
    {
      kind: "ingest_source",
      title: "Sync “linden-street”",
      status: "completed",
      display_status: "completed",
      outcome: "partial",
      collection_id: house,
      source_id: folder,
      attempt: 2,
      losses: 1,
      counts: { total: 14, done: 9, failed: 4, skipped: 1, quarantined: 0 },
      progress: 100,
      created_at: minutesAgo(194),
      started_at: minutesAgo(194),
      finished_at: minutesAgo(190),
      result: { added: 14, modified: 0, moved: 0, deleted: 0, embedded_chunks: 31 },
      attempts: [
        {
          fence: 1,
          owner: "embedded-1",
          started_at: minutesAgo(194),
          ended_at: minutesAgo(193),
          how: "lost",
          error: null,
          from_cursor: null,
          to_cursor: 8,
        },
        {
          fence: 2,
          owner: "embedded-1",
          started_at: minutesAgo(193),
          ended_at: minutesAgo(190),
          how: "completed",
          error: null,
          from_cursor: 8,
          to_cursor: 14,
        },
      ],
      items: [
        {
          key: "a",
          state: "failed",
          label: "scans/annual-report-2019.pdf",
          attempts: 1,
          crashes: 0,
          error: { code: "needs_password", message: "annual-report-2019.pdf needs a password." },
          updated_at: minutesAgo(191),
        },
        {
          key: "b",
          state: "failed",
          label: "plans/floor-plan-3.dwg.zip",
          attempts: 1,
          crashes: 0,
          error: { code: "damaged", message: "Its directory ends after 14 of 52 entries." },
          updated_at: minutesAgo(191),
        },
        {
          key: "c",
          state: "quarantined",
          label: "scans/wall-survey.tiff",
          attempts: 0,
          crashes: 3,
          error: { code: "crashed", message: "The reader died three times on this file." },
          updated_at: minutesAgo(190),
        },
      ],
    },
    { moving: false },
  );
  const story: [string, string | null, number][] = [
    ["job.created", null, 194],
    ["job.claimed", "by embedded-1", 194],
    ["job.progress", "listing the folder", 194],
    ["item.failed", "scans/annual-report-2019.pdf needs a password", 193],
    ["job.lost", "no heartbeat for 30 s", 193],
    ["job.claimed", "by embedded-1", 193],
    ["job.checkpoint", "8 of 14 documents", 191],
    ["job.completed", "9 documents indexed, 4 failed, 1 skipped", 190],
  ];
  partial.events = story.map(([type, message, minutes], i) => ({
    type,
    job_id: partial.id,
    seq: i + 1,
    at: minutesAgo(minutes),
    level: type === "item.failed" ? "error" : type === "job.lost" ? "warning" : "info",
    message,
    metadata: {},
  }));
  createJob(
    db,
    {
      kind: "retry_documents",
      title: "Retry 2 documents of “Contracts”",
      status: "paused",
      display_status: "paused",
      attempt: 1,
      counts: { total: 2, done: 1, failed: 0, skipped: 0, quarantined: 0 },
      progress: 50,
      created_at: minutesAgo(50),
      started_at: minutesAgo(50),
    },
    { moving: false },
  );
  createJob(
    db,
    {
      kind: "ingest_source",
      title: "Sync “cabinets”",
      status: "running",
      display_status: "running",
      collection_id: archive,
      source_id: cabinet,
      attempt: 1,
      counts: { total: 10_000, done: 5_890, failed: 64, skipped: 166, quarantined: 0 },
      progress: 61.2,
      rate_per_s: 5.1,
      eta_s: 761,
      message: "2004/cabinet-3/folder-120/file-06120.pdf (page 40 of 116)",
      created_at: minutesAgo(21),
      started_at: minutesAgo(20),
      attempts: [
        {
          fence: 1,
          owner: "embedded-1",
          started_at: minutesAgo(20),
          ended_at: null,
          how: null,
          error: null,
          from_cursor: null,
          to_cursor: null,
        },
      ],
    },
    { moving: false },
  );
  createJob(
    db,
    { kind: "sweep", title: "Clean up dead points", queue: "maintenance", created_at: minutesAgo(1) },
    { moving: false },
  );
}
