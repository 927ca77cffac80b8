/** Queues, workers and the recovery log. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import type { Db } from "../db.ts";
import { guard, missing, page, V1 } from "./answers.ts";

type S = components["schemas"];

function queue(db: Db, name: string): S["QueueState"] {
  const kept = db.queues[name] ?? { paused_at: null, max_running: null, max_per_tenant: null, kinds: [] };
  const jobs = db.jobs.filter((job) => job.queue === name);
  const of = (...states: string[]) => jobs.filter((job) => states.includes(job.status)).length;
  const workers = db.workers.filter((one) => one.state === "up" && one.queues.includes(name));
  return {
    queue: name,
    ready: of("queued"),
    later: 0,
    blocked: of("blocked"),
    paused: of("paused"),
    running: of("running", "pausing", "cancelling"),
    oldest_ready_at:
      jobs
        .filter((job) => job.status === "queued")
        .map((job) => job.created_at)
        .sort()[0] ?? null,
    ...kept,
    workers: workers.length,
    slots: workers.reduce((sum, one) => sum + one.slots, 0),
  };
}

function limits({ max_running, max_per_tenant }: S["LimitsChange"]): Partial<S["KindState"]> {
  return {
    ...(max_running !== undefined && { max_running }),
    ...(max_per_tenant !== undefined && { max_per_tenant }),
  };
}

export function workers(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
    http.get(
      `${V1}/queues`,
      guarded(({ query }) =>
        HttpResponse.json(
          page(
            Object.keys(db.queues).map((name) => queue(db, name)),
            query,
          ),
        ),
      ),
    ),
    http.patch(
      `${V1}/queues/:id`,
      guarded(async ({ request, params }) => {
        const kept = db.queues[String(params.id)];
        if (!kept) return missing("queue");
        const body = (await request.json()) as S["QueueChange"];
        if (body.paused !== null && body.paused !== undefined)
          kept.paused_at = body.paused ? new Date().toISOString() : null;
        Object.assign(kept, limits(body));
        return HttpResponse.json(queue(db, String(params.id)));
      }),
    ),
    http.patch(
      `${V1}/queues/:id/kinds/:kind`,
      guarded(async ({ request, params }) => {
        const kind = db.queues[String(params.id)]?.kinds.find((one) => one.kind === params.kind);
        if (!kind) return missing("kind");
        Object.assign(kind, limits((await request.json()) as S["LimitsChange"]));
        return HttpResponse.json(queue(db, String(params.id)));
      }),
    ),
    http.get(
      `${V1}/workers`,
      guarded(({ query }) => {
        const running = db.jobs
          .filter((job) => ["running", "pausing", "cancelling"].includes(job.status))
          .map((job) => ({ job_id: job.id, title: job.title, status: job.status }));
        const rows = db.workers.map((one) => ({
          ...one,
          running: one.state === "up" && one.pool === "local" ? running : [],
        }));
        return HttpResponse.json(page(rows, query));
      }),
    ),
    ...(["drain", "resume"] as const).map((verb) =>
      http.post(
        `${V1}/workers/:id/${verb}`,
        guarded(({ params }) => {
          const found = db.workers.find(({ id }) => id === params.id);
          if (!found) return missing("worker");
          // All processes of the worker together, as the server does.
          for (const one of db.workers.filter(({ name, state }) => name === found.name && state !== "down")) {
            one.drain_asked_at = verb === "drain" ? new Date().toISOString() : null;
            one.state = verb === "drain" ? "draining" : "up";
          }
          return HttpResponse.json(found);
        }),
      ),
    ),
    http.get(
      `${V1}/recoveries`,
      guarded(() => {
        const items: S["Recovery"][] = db.jobs.flatMap((job) =>
          job.attempts.flatMap((attempt, i) =>
            attempt.how === "lost"
              ? [
                  {
                    job_id: job.id,
                    title: job.title,
                    status: job.status,
                    outcome: job.outcome,
                    fence: attempt.fence,
                    owner: attempt.owner,
                    started_at: attempt.started_at,
                    lost_at: attempt.ended_at ?? attempt.started_at,
                    resumed_at: job.attempts[i + 1]?.started_at ?? null,
                    became: job.attempts[i + 1] ? "resumed" : "waiting",
                  },
                ]
              : [],
          ),
        );
        const resumed = items.filter(({ became }) => became === "resumed").length;
        const lost = items.length === 1 ? "1 lease lost" : `${items.length} leases lost`;
        const words =
          items.length === 0
            ? "No lease was lost"
            : resumed === items.length
              ? `${lost}, ${items.length === 1 ? "resumed" : "all resumed"}`
              : `${lost}: ${resumed} resumed, ${items.length - resumed} waiting for a worker`;
        return HttpResponse.json({ items, lost: items.length, resumed, words });
      }),
    ),
  ];
}
