/** What all handlers share: problems, pages, and the guard before every route that needs a session. */
import { delay, HttpResponse } from "msw";
import { createJob, type Db } from "../db.ts";

type Query = URLSearchParams;
type Params = Record<string, string | readonly string[] | undefined>;
type Answer = Response | Promise<Response>;

export const V1 = "*/api/v1";

export function problem(
  status: number,
  code: string,
  detail: string,
  extra: { hint?: string; errors?: { pointer: string; message: string }[] } = {},
) {
  const titles: Record<number, string> = {
    401: "Log in first",
    404: "Not found",
    409: "The request does not fit the present state",
    422: "The request holds a value that cannot be used",
  };
  return HttpResponse.json(
    {
      type: `about:${code}`,
      title: titles[status] ?? "Something failed on our side",
      status,
      code,
      detail,
      hint: extra.hint ?? null,
      request_id: "0199a3c2-mock",
      ...(extra.errors ? { errors: extra.errors } : {}),
    },
    { status, headers: { "Content-Type": "application/problem+json", "X-Request-ID": "0199a3c2-mock" } },
  );
}

/** Cursors are as strict as the server's: what it did not give, it does not take. */
export function page<T>(rows: readonly T[], query: Query, fallback = 50) {
  const limit = Number(query.get("limit") ?? fallback);
  const cursor = query.get("cursor");
  const start = cursor === null ? 0 : Number(/^after-(\d+)$/.exec(cursor)?.[1] ?? Number.NaN);
  return {
    items: rows.slice(start, start + limit),
    next_cursor: rows.length > start + limit ? `after-${start + limit}` : null,
    total: rows.length,
  };
}

export const missing = (noun: string) => problem(404, "not_found", `There is no such ${noun}.`);

/** Guards a route: waits in `loading`, breaks in `failing`, refuses without a session. */
export const guard =
  (db: Db) =>
  (answer: (info: { request: Request; params: Params; query: Query }) => Answer) =>
  async ({ request, params }: { request: Request; params: Params }) => {
    if (!db.signedIn) return problem(401, "unauthenticated", "The access token is missing or expired.");
    const query = new URL(request.url).searchParams;
    const cursor = query.get("cursor");
    if (cursor !== null && !/^after-\d+$/.test(cursor))
      return problem(422, "invalid_cursor", `“${cursor}” is not a cursor of this list.`);
    const limit = Number(query.get("limit") ?? 1);
    if (!(limit >= 1 && limit <= 200))
      return problem(422, "invalid_request", `query.limit: ${limit} is not between 1 and 200`);
    if (db.scenario === "loading") await delay(120_000);
    if (db.scenario === "failing")
      return problem(500, "internal", "The server could not read its database.", {
        hint: "Look at the server's log for this request.",
      });
    return answer({ request, params, query });
  };

/** A job that indexes what waits in a source. */
export function ingest(db: Db, title: string, source_id: string, total: number) {
  const source = db.sources.find((s) => s.id === source_id);
  const job = createJob(db, {
    kind: "ingest_source",
    title,
    source_id,
    collection_id: source?.collection_id ?? null,
    counts: { total, done: 0, failed: 0, skipped: 0, quarantined: 0 },
  });
  if (source) source.last_job_id = job.id;
  return job;
}
