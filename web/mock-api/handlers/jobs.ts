/** Jobs and what can be done to them. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { type Db, record, turn, verbsFor } from "../db.ts";
import { guard, missing, page, problem, V1 } from "./answers.ts";
import { requeue } from "./dead-letters.ts";

type S = components["schemas"];

const jobOut = ({ events: _e, attempts: _a, items: _i, moving: _m, ...job }: Db["jobs"][number]) =>
  job as S["JobDetail"];
/** As lists and snapshots tell it: without what only its own page reads. */
export const briefOut = (row: Db["jobs"][number]): S["Job"] => {
  const { checkpoint: _c, params: _p, waits_for: _w, waited_for_by: _b, repeated_in: _r, ...job } = jobOut(row);
  return job;
};

export function jobs(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
    http.get(
      `${V1}/jobs`,
      guarded(({ query }) => {
        const states = query.getAll("status");
        const scope = db.jobs.filter(
          (j) =>
            (!query.get("kind") || j.kind === query.get("kind")) &&
            (!query.get("collection") || j.collection_id === query.get("collection")),
        );
        const summary: Record<string, number> = {};
        for (const job of scope) summary[job.status] = (summary[job.status] ?? 0) + 1;
        const shown = scope.filter((j) => states.length === 0 || states.includes(j.status));
        const kinds = [...new Set(db.jobs.map((j) => j.kind))].sort();
        return HttpResponse.json({ ...page(shown.map(briefOut), query), summary, verbs: verbsFor(shown), kinds });
      }),
    ),
    http.post(
      `${V1}/jobs/bulk`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["Bulk"];
        const rows = db.jobs.filter(
          (j) =>
            ((body.status ?? []).length === 0 || (body.status ?? []).includes(j.status)) &&
            (!body.kind || j.kind === body.kind) &&
            (!body.collection || j.collection_id === body.collection),
        );
        const able = rows.filter((j) => j.allowed.includes(body.verb));
        if (body.verb === "priority") for (const job of able) job.priority = body.priority ?? job.priority;
        else if (body.verb === "delete") db.jobs = db.jobs.filter((j) => !able.includes(j));
        else
          for (const job of able)
            turn(db, job, body.verb === "cancel" ? "cancelled" : body.verb === "pause" ? "paused" : "queued");
        return HttpResponse.json({
          changed: able.length,
          refused: rows.length - able.length,
          job_ids: able.map(({ id }) => id),
          next_cursor: null,
        });
      }),
    ),
    http.get(
      `${V1}/jobs/:id`,
      guarded(({ params }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        return job ? HttpResponse.json(jobOut(job)) : missing("job");
      }),
    ),
    http.get(
      `${V1}/jobs/:id/graph`,
      guarded(({ params }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        if (!job) return missing("job");
        const { id: job_id, title, kind, status, outcome } = job;
        return HttpResponse.json(
          db.graphs[job_id] ?? { nodes: [{ job_id, title, kind, status, outcome }], edges: [], complete: true },
        );
      }),
    ),
    http.get(
      `${V1}/jobs/:id/logs`,
      guarded(({ params, query }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        if (!job) return missing("job");
        const levels = ["info", "warning", "error"].slice(
          ["info", "warning", "error"].indexOf(query.get("level") ?? "info"),
        );
        const lines = job.events
          .filter((event) => event.type !== "job.progress" && levels.includes(event.level))
          .map(({ seq, at, level, type, text }) => ({ seq, at, level, type, text, fields: {} }));
        return HttpResponse.json(page<unknown>(query.get("newest") === "true" ? lines.reverse() : lines, query));
      }),
    ),
    http.post(
      `${V1}/jobs/:id/priority`,
      guarded(async ({ params, request }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        if (!job) return missing("job");
        job.priority = ((await request.json()) as S["Priority"]).priority;
        record(db, job, "job.priority", { text: `Priority set to ${job.priority}` });
        return HttpResponse.json(jobOut(job));
      }),
    ),
    http.post(
      `${V1}/jobs/:id/retry-failed`,
      guarded(async ({ params, request }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        if (!job) return missing("job");
        const body = await request.text();
        const keys = body ? (JSON.parse(body) as S["RetryFailed"]).keys : null;
        return HttpResponse.json(jobOut(requeue(db, job, keys ?? null).made));
      }),
    ),
    http.delete(
      `${V1}/jobs/:id`,
      guarded(({ params }) => {
        db.jobs = db.jobs.filter((j) => j.id !== params.id);
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    ...(["items", "attempts", "events"] as const).map((part) =>
      http.get(
        `${V1}/jobs/:id/${part}`,
        guarded(({ params, query }) => {
          const job = db.jobs.find((j) => j.id === params.id);
          if (!job) return missing("job");
          const after = Number(query.get("after") ?? 0);
          const states = query.getAll("state");
          const rows =
            part === "events"
              ? job.events.filter((e) => (e.seq ?? 0) > after)
              : part === "items"
                ? job.items.filter((i) => states.length === 0 || states.includes(i.state))
                : job.attempts;
          return HttpResponse.json(page<unknown>(rows, query, 200));
        }),
      ),
    ),
    http.post(
      `${V1}/jobs/:id/budget`,
      guarded(async ({ params, request }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        if (!job) return missing("job");
        job.budget = ((await request.json()) as { budget: Record<string, number> }).budget;
        return HttpResponse.json(jobOut(job));
      }),
    ),
    ...(["pause", "resume", "cancel", "restart", "retry"] as const).map((verb) =>
      http.post(
        `${V1}/jobs/:id/${verb}`,
        guarded(({ params }) => {
          const job = db.jobs.find((j) => j.id === params.id);
          if (!job) return missing("job");
          if (!job.allowed.includes(verb))
            return problem(409, "wrong_transition", job.why_not[verb] ?? "Not possible now.");
          if (verb === "pause") turn(db, job, job.status === "running" ? "pausing" : "paused");
          else if (verb === "cancel") turn(db, job, job.status === "running" ? "cancelling" : "cancelled");
          else {
            if (verb === "restart") job.counts = { ...job.counts, done: 0, failed: 0, skipped: 0 };
            job.finished_at = null;
            job.error = null;
            job.outcome = null;
            turn(db, job, "queued");
            if (job.counts.total === null) job.counts = { ...job.counts, total: 3 };
          }
          job.moving = true;
          record(db, job, "job.note", {});
          return HttpResponse.json(jobOut(job));
        }),
      ),
    ),
  ];
}
