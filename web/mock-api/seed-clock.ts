/** What stands behind the jobs of the full world: schedules, a chain of jobs, a worker that fell silent. */
import { createJob, type Db, minutesAgo, newId } from "./db.ts";
import { nextFive } from "./handlers/schedules.ts";

export function seedClock(db: Db) {
  const last = db.jobs.find((job) => job.outcome === "ok");
  const nightly = newId();
  const daily = { kind: "clean_up_jobs", cron: "0 3 * * *", every_s: null, timezone: "UTC", overlap: "skip" };
  db.schedules.push(
    {
      ...daily,
      id: nightly,
      name: "Clean up old jobs",
      params: { keep_days: 30 },
      next_fire_at: nextFive({})[0] ?? null,
      next_five: nextFive({}),
      catchup_s: 3600,
      jitter_s: 600,
      paused_at: null,
      last_job: last
        ? {
            job_id: last.id,
            status: "completed",
            outcome: "ok",
            created_at: minutesAgo(540),
            finished_at: minutesAgo(539),
          }
        : null,
      created_at: minutesAgo(20_000),
    },
    {
      ...daily,
      id: newId(),
      name: "Sync “linden-street” each hour",
      kind: "ingest_source",
      cron: null,
      every_s: 3600,
      params: { source_id: db.sources[0]?.id ?? "", listing: true },
      next_fire_at: minutesAgo(-40),
      next_five: [],
      catchup_s: 3600,
      jitter_s: 0,
      paused_at: minutesAgo(1500),
      last_job: null,
      created_at: minutesAgo(9000),
    },
  );
  db.runs[nightly] = [
    { fire_at: minutesAgo(540), job_id: last?.id ?? null, status: "completed", outcome: "ok" },
    { fire_at: minutesAgo(1980), job_id: null, status: "left_out", outcome: null },
    { fire_at: minutesAgo(3420), job_id: newId(), status: "gone", outcome: null },
  ];
  const celery = { pool: "celery", version: "0.1.0", drain_asked_at: null, running: [] };
  for (const [id, state, minutes] of [
    ["cellar:201:77c0e2", "up", 90],
    ["cellar:202:1be94d", "up", 90],
    ["cellar:198:f00c31", "down", 160],
  ] as const)
    db.workers.push({
      ...celery,
      id,
      name: "celery@cellar",
      queues: ["gpu"],
      slots: 1,
      state,
      started_at: minutesAgo(minutes),
      last_seen_at: minutesAgo(state === "up" ? 0 : 95),
    });
  db.workers.push({
    id: "attic:880:0c5d77e1aa90",
    name: "semantik-880@attic",
    drain_asked_at: null,
    pool: "celery",
    queues: ["gpu"],
    slots: 4,
    version: "0.1.0",
    state: "silent",
    started_at: minutesAgo(1300),
    last_seen_at: minutesAgo(47),
    running: [],
  });
  const gate = { moving: false };
  const compare = createJob(
    db,
    {
      kind: "compare",
      title: "Compare both readings",
      queue: "gpu",
      status: "blocked",
      display_status: "waiting",
      created_at: minutesAgo(30),
    },
    gate,
  );
  const read = (title: string, status: "completed" | "queued", minutes: number) =>
    createJob(
      db,
      {
        kind: "read",
        title,
        queue: "gpu",
        status,
        display_status: status,
        created_at: minutesAgo(minutes),
        ...(status === "completed"
          ? { outcome: "ok", finished_at: minutesAgo(26), started_at: minutesAgo(29), progress: 100 }
          : {}),
      },
      gate,
    );
  const first = read("Read with the old model", "completed", 31);
  const second = read("Read with the new model", "queued", 32);
  const report = createJob(
    db,
    {
      kind: "report",
      title: "Write the report",
      status: "blocked",
      display_status: "waiting",
      created_at: minutesAgo(29),
    },
    gate,
  );
  const jobs = [compare, first, second, report];
  const edge = (from: (typeof jobs)[number], to: (typeof jobs)[number], on_end: string) => {
    to.waits_for.push({ job_id: from.id, title: from.title, status: from.status, outcome: from.outcome, on_end });
    from.waited_for_by.push({ job_id: to.id, title: to.title, status: to.status, outcome: to.outcome, on_end });
    return { waited_for: from.id, waits: to.id, on_end };
  };
  const edges = [edge(first, compare, "success"), edge(second, compare, "success"), edge(compare, report, "finished")];
  const nodes = jobs.map(({ id, title, kind, status, outcome }) => ({ job_id: id, title, kind, status, outcome }));
  for (const { id } of jobs) db.graphs[id] = { nodes, edges, complete: true };
}
