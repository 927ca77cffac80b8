/** Dead letters: what the jobs of the world left behind. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { createJob, type Db, turn } from "../db.ts";
import { guard, page, V1 } from "./answers.ts";

type S = components["schemas"];

function letters(db: Db): S["DeadLetter"][] {
  return db.jobs.flatMap((job) => {
    const of = { job_id: job.id, title: job.title, kind: job.kind, collection_id: job.collection_id };
    const found: S["DeadLetter"][] = job.items
      .filter((item) => job.finished_at && !item.retried_in && ["failed", "quarantined"].includes(item.state))
      .map((item) => ({
        ...of,
        what: "item" as const,
        key: item.key,
        label: item.label,
        state: item.state,
        tries: item.attempts + item.crashes,
        error_class: null,
        code: item.error?.code ?? null,
        message: item.error?.message ?? null,
        at: item.updated_at,
      }));
    if (job.status === "failed")
      found.unshift({
        ...of,
        what: "job",
        key: null,
        label: null,
        state: "failed",
        tries: job.attempt,
        error_class: null,
        code: job.error?.code ?? null,
        message: job.error?.message ?? null,
        at: job.finished_at ?? job.created_at,
      });
    return found;
  });
}

/** Hands items over to a job of their own, as the server does. */
export function requeue(db: Db, job: Db["jobs"][number], keys: readonly string[] | null) {
  const items = job.items.filter((item) => !item.retried_in && (keys === null || keys.includes(item.key)));
  const made = createJob(db, {
    kind: job.kind,
    title: job.title,
    collection_id: job.collection_id,
    parent_id: job.id,
    counts: { total: items.length, done: 0, failed: 0, skipped: 0, quarantined: 0 },
  });
  for (const item of items) item.retried_in = made.id;
  const { id: job_id, title, status, outcome } = made;
  job.repeated_in = [{ job_id, title, status, outcome }, ...job.repeated_in];
  return { made, many: items.length };
}

export function deadLetters(db: Db): HttpHandler[] {
  const guarded = guard(db);
  const matching = (asked: { what?: string | null; code?: string | null; collection?: string | null }) =>
    letters(db).filter(
      (one) =>
        (!asked.what || one.what === asked.what) &&
        (!asked.code || one.code === asked.code) &&
        (!asked.collection || one.collection_id === asked.collection),
    );
  return [
    http.get(
      `${V1}/dead-letters`,
      guarded(({ query }) => {
        const scope = matching({ collection: query.get("collection") });
        const reasons: S["DeadReason"][] = [];
        for (const { what, code } of scope) {
          const known = reasons.find((one) => one.what === what && one.code === code);
          if (known) known.count += 1;
          else reasons.push({ what, code, count: 1 });
        }
        const of = (what: string) => scope.filter((one) => one.what === what).length;
        return HttpResponse.json({
          ...page(matching(Object.fromEntries(query)), query),
          failed_jobs: of("job"),
          failed_items: of("item"),
          reasons,
        });
      }),
    ),
    http.post(
      `${V1}/dead-letters/retry`,
      guarded(async ({ request }) => {
        const found = matching((await request.json()) as S["Retry"]);
        const done: S["Retried"] = { failed_jobs: 0, failed_items: 0, job_ids: [], refused: 0, more: false };
        for (const job of [...db.jobs]) {
          const keys = found.filter((one) => one.job_id === job.id && one.key).map((one) => one.key ?? "");
          if (keys.length > 0) {
            const { made, many } = requeue(db, job, keys);
            done.failed_items += many;
            done.job_ids.push(made.id);
          }
          if (found.some((one) => one.job_id === job.id && one.what === "job")) {
            job.finished_at = null;
            job.error = null;
            job.moving = true;
            turn(db, job, "queued");
            done.failed_jobs += 1;
            done.job_ids.push(job.id);
          }
        }
        return HttpResponse.json(done, { status: 202 });
      }),
    ),
  ];
}
