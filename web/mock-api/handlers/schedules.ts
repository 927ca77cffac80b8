/** Schedules, and what they start. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { createJob, type Db, newId, now } from "../db.ts";
import { guard, missing, page, problem, V1 } from "./answers.ts";

type S = components["schemas"];

export const KINDS: S["Kind"][] = [
  {
    kind: "clean_up_jobs",
    about: "Removes ended jobs, with their events, after this many days.",
    queue: "maintenance",
    params: { properties: { keep_days: { type: "integer", default: 30, title: "Keep Days" } } },
  },
  {
    kind: "ingest_source",
    about: "Lists the source, then reads every document that is due.",
    queue: "cpu",
    params: {
      properties: { source_id: { type: "string" }, listing: { type: "boolean", default: true } },
      required: ["source_id"],
    },
  },
];

/** Five times a day apart, at three o'clock; the mock does not read cron. */
export function nextFive({ every_s }: { every_s?: number | null }): string[] {
  const start = new Date();
  start.setUTCHours(3, 0, 0, 0);
  const step = every_s ? every_s * 1000 : 86_400_000;
  const first = every_s ? Date.now() : start.getTime();
  return [1, 2, 3, 4, 5].map((n) => new Date(first + n * step).toISOString());
}

const sound = (cron: string | null | undefined) => !cron || /^[\d*/,-]+( [\d*/,-]+){4}$/.test(cron);
const bad = (cron: string | null | undefined) =>
  problem(422, "bad_schedule", `'${cron}' is not a cron expression that ever comes true`, {
    hint: "Five fields, such as 0 3 * * *.",
  });

export function schedules(db: Db): HttpHandler[] {
  const guarded = guard(db);
  const find = (id: unknown) => db.schedules.find((one) => one.id === id);
  return [
    http.get(
      `${V1}/schedules`,
      guarded(({ query }) => HttpResponse.json(page(db.schedules, query))),
    ),
    http.get(
      `${V1}/schedules/kinds`,
      guarded(({ query }) => HttpResponse.json(page(KINDS, query))),
    ),
    http.post(
      `${V1}/schedules/preview`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["Times"];
        return sound(body.cron) ? HttpResponse.json({ next_five: nextFive(body) }) : bad(body.cron);
      }),
    ),
    http.post(
      `${V1}/schedules`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["NewSchedule"];
        if (!sound(body.cron)) return bad(body.cron);
        if (db.schedules.some((one) => one.name === body.name))
          return problem(409, "schedule_name_taken", `There is a schedule named '${body.name}' already.`);
        const next_five = nextFive(body);
        const made: S["Schedule"] = {
          ...body,
          id: newId(),
          params: body.params ?? {},
          cron: body.cron ?? null,
          every_s: body.every_s ?? null,
          next_fire_at: next_five[0] ?? null,
          next_five,
          paused_at: null,
          last_job: null,
          created_at: now(),
        };
        db.schedules.push(made);
        return HttpResponse.json(made, { status: 201 });
      }),
    ),
    http.get(
      `${V1}/schedules/:id`,
      guarded(({ params }) => {
        const found = find(params.id);
        return found ? HttpResponse.json(found) : missing("schedule");
      }),
    ),
    http.get(
      `${V1}/schedules/:id/runs`,
      guarded(({ params, query }) => HttpResponse.json(page(db.runs[String(params.id)] ?? [], query))),
    ),
    http.patch(
      `${V1}/schedules/:id`,
      guarded(async ({ params, request }) => {
        const found = find(params.id);
        if (!found) return missing("schedule");
        const body = (await request.json()) as S["ScheduleChange"];
        if (!sound(body.cron)) return bad(body.cron);
        Object.assign(found, Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)));
        if (body.every_s) found.cron = null;
        if (body.cron) found.every_s = null;
        found.next_five = nextFive(found);
        return HttpResponse.json(found);
      }),
    ),
    http.delete(
      `${V1}/schedules/:id`,
      guarded(({ params }) => {
        db.schedules = db.schedules.filter((one) => one.id !== params.id);
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    ...(["pause", "resume"] as const).map((verb) =>
      http.post(
        `${V1}/schedules/:id/${verb}`,
        guarded(({ params }) => {
          const found = find(params.id);
          if (!found) return missing("schedule");
          found.paused_at = verb === "pause" ? now() : null;
          found.next_five = verb === "pause" ? [] : nextFive(found);
          return HttpResponse.json(found);
        }),
      ),
    ),
    http.post(
      `${V1}/schedules/:id/run-now`,
      guarded(({ params }) => {
        const found = find(params.id);
        if (!found) return missing("schedule");
        const running = db.jobs.find((job) => job.id === found.last_job?.job_id);
        if (running && !running.finished_at)
          return problem(409, "schedule_still_running", "The job of the last time has not ended.", {
            hint: "Wait for it, or set overlap to allow.",
          });
        const job = createJob(db, {
          kind: found.kind,
          title: found.name,
          queue: "maintenance",
          counts: { total: 3, done: 0, failed: 0, skipped: 0, quarantined: 0 },
        });
        found.last_job = { job_id: job.id, status: "queued", outcome: null, created_at: now(), finished_at: null };
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
  ];
}
