/** The mock's answers, one handler a route, over one `Db`. The same handlers serve the dev server, unit tests and Playwright. */
import { delay, type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../src/api/generated/schema";
import { collectionOut, createJob, type Db, minutesAgo, newId, now, type Row, record, sourceOut, turn } from "./db.ts";
import { search } from "./search.ts";
import { documentRow } from "./seed.ts";

type S = components["schemas"];
type Query = URLSearchParams;

const V1 = "*/api/v1";

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
function page<T>(rows: readonly T[], query: Query, fallback = 50) {
  const limit = Number(query.get("limit") ?? fallback);
  const cursor = query.get("cursor");
  const start = cursor === null ? 0 : Number(/^after-(\d+)$/.exec(cursor)?.[1] ?? Number.NaN);
  return {
    items: rows.slice(start, start + limit),
    next_cursor: rows.length > start + limit ? `after-${start + limit}` : null,
    total: rows.length,
  };
}

const out = ({
  text: _text,
  chunks: _chunks,
  outline: _o,
  collection_name: _c,
  source_name: _s,
  children: _n,
  ...row
}: Row) => row as S["Document"];
const detail = ({ text: _text, chunks: _chunks, ...row }: Row) => row as S["DocumentDetail"];
const jobOut = ({ events: _e, attempts: _a, items: _i, moving: _m, ...job }: Db["jobs"][number]) =>
  job as S["JobDetail"];

function sessionOut(db: Db): S["Session"] {
  return { access_token: `mock.${db.user.id}`, token_type: "bearer", expires_in: 900, user: db.user };
}

export function createHandlers(db: Db): HttpHandler[] {
  const one = (id: unknown) => db.documents.find((d) => d.id === id);
  const missing = (noun: string) => problem(404, "not_found", `There is no such ${noun}.`);
  type Info = { request: Request; params: Record<string, string | readonly string[] | undefined>; query: Query };
  type Answer = Response | Promise<Response>;
  /** Guards a route: waits in `loading`, breaks in `failing`, refuses without a session. */
  const guarded =
    (answer: (info: Info) => Answer) =>
    async ({ request, params }: { request: Request; params: Info["params"] }) => {
      if (!db.signedIn) return problem(401, "unauthenticated", "The access token is missing or expired.");
      const cursor = new URL(request.url).searchParams.get("cursor");
      if (cursor !== null && !/^after-\d+$/.test(cursor))
        return problem(422, "invalid_cursor", `“${cursor}” is not a cursor of this list.`);
      const limit = Number(new URL(request.url).searchParams.get("limit") ?? 1);
      if (!(limit >= 1 && limit <= 200))
        return problem(422, "invalid_request", `query.limit: ${limit} is not between 1 and 200`);
      if (db.scenario === "loading") await delay(120_000);
      if (db.scenario === "failing")
        return problem(500, "internal", "The server could not read its database.", {
          hint: "Look at the server's log for this request.",
        });
      return answer({ request, params, query: new URL(request.url).searchParams });
    };
  const ingest = (title: string, source_id: string, total: number) => {
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
  };

  return [
    http.get(`${V1}/setup`, () => HttpResponse.json({ needed: db.setupNeeded })),
    http.post(`${V1}/setup`, async ({ request }) => {
      const body = (await request.json()) as S["SetUp"];
      if (!db.setupNeeded) return problem(409, "already_set_up", "This server has its first account already.");
      if (body.token !== "mock-token")
        return problem(422, "wrong_token", "This set-up token is not the server's.", {
          hint: "Copy it from the server's first output.",
        });
      db.setupNeeded = false;
      db.signedIn = true;
      db.user = { ...db.user, email: body.email, name: body.name ?? "" };
      return HttpResponse.json(sessionOut(db), { status: 201 });
    }),
    http.post(`${V1}/auth/login`, async ({ request }) => {
      const body = (await request.json()) as S["Login"];
      if (body.password !== db.password)
        return problem(401, "wrong_password", "E-mail and password do not belong together.");
      db.signedIn = true;
      return HttpResponse.json(sessionOut(db));
    }),
    http.post(`${V1}/auth/refresh`, () =>
      db.signedIn ? HttpResponse.json(sessionOut(db)) : problem(401, "unauthenticated", "There is no session."),
    ),
    http.post(`${V1}/auth/logout`, () => {
      db.signedIn = false;
      return new HttpResponse(null, { status: 204 });
    }),
    http.get(
      `${V1}/me`,
      guarded(() => HttpResponse.json({ user: db.user, scope: "admin", via: "session" })),
    ),
    http.post(
      `${V1}/me/password`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["PasswordChange"];
        if (body.current !== db.password)
          return problem(422, "wrong_password", "The current password is not right.", {
            errors: [{ pointer: "/current", message: "This is not your current password." }],
          });
        db.password = body.new;
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    http.get(
      `${V1}/version`,
      guarded(() => HttpResponse.json({ version: "0.1.0", commit: "4f1c09ab7e21", mode: "embedded" })),
    ),
    http.get(
      `${V1}/models`,
      guarded(() => HttpResponse.json({ items: db.models })),
    ),

    http.get(
      `${V1}/api-keys`,
      guarded(({ query }) => HttpResponse.json(page(db.keys, query))),
    ),
    http.post(
      `${V1}/api-keys`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["NewApiKey"];
        const key: S["ApiKey"] = {
          id: newId(),
          name: body.name,
          prefix: "sk_h2Vw",
          scope: body.scope,
          created_at: now(),
          expires_at: body.expires_in_days ? minutesAgo(-1440 * body.expires_in_days) : null,
          revoked_at: null,
          used_at: null,
        };
        db.keys.unshift(key);
        return HttpResponse.json({ ...key, key: "sk_h2VwK4mJ8sYp3TzQ7nRb5cXd" }, { status: 201 });
      }),
    ),
    http.delete(
      `${V1}/api-keys/:id`,
      guarded(({ params }) => {
        const key = db.keys.find((k) => k.id === params.id);
        if (!key) return missing("key");
        key.revoked_at = now();
        return new HttpResponse(null, { status: 204 });
      }),
    ),

    http.get(
      `${V1}/collections`,
      guarded(({ query }) => {
        const q = query.get("q")?.toLowerCase() ?? "";
        const rows = db.collections.filter((c) => c.name.toLowerCase().includes(q));
        return HttpResponse.json(
          page(
            rows.map((c) => collectionOut(db, c)),
            query,
          ),
        );
      }),
    ),
    http.post(
      `${V1}/collections`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["NewCollection"];
        if (db.collections.some((c) => c.name === body.name))
          return problem(409, "name_taken", `There is already a collection named “${body.name}”.`, {
            hint: "Choose another name.",
          });
        const row = {
          id: newId(),
          name: body.name,
          description: body.description ?? "",
          embedding_model: body.embedding_model ?? "multilingual-e5-small",
          chunking: body.chunking ?? { strategy: "recursive" as const, max_tokens: 320, overlap_tokens: 40 },
          language: body.language ?? "auto",
          generation: 1,
          created_at: now(),
          updated_at: now(),
        };
        db.collections.unshift(row);
        return HttpResponse.json(collectionOut(db, row), { status: 201 });
      }),
    ),
    http.get(
      `${V1}/collections/:id`,
      guarded(({ params }) => {
        const row = db.collections.find((c) => c.id === params.id);
        return row ? HttpResponse.json(collectionOut(db, row)) : missing("collection");
      }),
    ),
    http.patch(
      `${V1}/collections/:id`,
      guarded(async ({ params, request }) => {
        const row = db.collections.find((c) => c.id === params.id);
        if (!row) return missing("collection");
        const body = (await request.json()) as S["CollectionChange"];
        row.name = body.name ?? row.name;
        row.description = body.description ?? row.description;
        return HttpResponse.json(collectionOut(db, row));
      }),
    ),
    http.delete(
      `${V1}/collections/:id`,
      guarded(({ params }) => {
        const row = db.collections.find((c) => c.id === params.id);
        if (!row) return missing("collection");
        db.collections = db.collections.filter((c) => c !== row);
        db.documents = db.documents.filter((d) => d.collection_id !== row.id);
        const job = createJob(db, {
          kind: "delete_collection",
          title: `Delete “${row.name}”`,
          counts: { total: 3, done: 0, failed: 0, skipped: 0, quarantined: 0 },
        });
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
    http.post(
      `${V1}/chunking/preview`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["PreviewRequest"] & { chunking: S["Chunking"] };
        if (body.chunking.overlap_tokens >= body.chunking.max_tokens)
          return problem(
            422,
            "invalid_chunking",
            `An overlap of ${body.chunking.overlap_tokens} tokens leaves nothing of a passage of ${body.chunking.max_tokens}.`,
            { hint: "Choose an overlap of at most half the passage." },
          );
        return HttpResponse.json({ chunks: preview(body) });
      }),
    ),

    http.get(
      `${V1}/source-kinds`,
      guarded(() => HttpResponse.json({ items: [{ kind: "directory", title: "Folder", settings_schema: {} }] })),
    ),
    http.get(
      `${V1}/collections/:id/sources`,
      guarded(({ params, query }) =>
        HttpResponse.json(
          page(
            db.sources.filter((s) => s.collection_id === params.id).map((s) => sourceOut(db, s)),
            query,
          ),
        ),
      ),
    ),
    http.post(
      `${V1}/collections/:id/sources`,
      guarded(async ({ params, request }) => {
        const body = (await request.json()) as S["NewSource"];
        const path = String(body.settings.path ?? "");
        if (!path.startsWith("/srv/"))
          return problem(422, "outside_allowed_roots", `${path} lies outside of the allowed folders.`, {
            hint: "Allowed is /srv; SEMANTIK_SOURCE_ROOTS sets it.",
            errors: [{ pointer: "/settings/path", message: `${path} lies outside of the allowed folders (/srv).` }],
          });
        const row: Db["sources"][number] = {
          id: newId(),
          collection_id: String(params.id),
          kind: body.kind,
          name: body.name || path.split("/").filter(Boolean).at(-1) || path,
          settings: body.settings,
          listed: null,
          synced_at: null,
          last_job_id: null,
          created_at: now(),
        };
        db.sources.push(row);
        if (body.sync !== false) ingest(`Sync “${row.name}”`, row.id, 3);
        return HttpResponse.json(sourceOut(db, row), { status: 201 });
      }),
    ),
    http.get(
      `${V1}/sources/:id`,
      guarded(({ params }) => {
        const row = db.sources.find((s) => s.id === params.id);
        return row ? HttpResponse.json(sourceOut(db, row)) : missing("source");
      }),
    ),
    http.patch(
      `${V1}/sources/:id`,
      guarded(async ({ params, request }) => {
        const row = db.sources.find((s) => s.id === params.id);
        if (!row) return missing("source");
        const body = (await request.json()) as S["SourceChange"];
        row.name = body.name ?? row.name;
        row.settings = body.settings ?? row.settings;
        return HttpResponse.json(sourceOut(db, row));
      }),
    ),
    http.delete(
      `${V1}/sources/:id`,
      guarded(({ params }) => {
        const row = db.sources.find((s) => s.id === params.id);
        if (!row) return missing("source");
        db.sources = db.sources.filter((s) => s !== row);
        db.documents = db.documents.filter((d) => d.source_id !== row.id);
        const job = createJob(db, { kind: "delete_source", title: `Delete source “${row.name}”` });
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
    http.post(
      `${V1}/sources/:id/sync`,
      guarded(({ params, query }) => {
        const row = db.sources.find((s) => s.id === params.id);
        if (!row) return missing("source");
        if (query.get("dry_run") === "true") {
          const plan: S["SyncPlan"] = {
            added: ["letters/2024-10-01 boiler service.docx", "costs/running-costs-2024.xlsx"],
            modified: ["minutes/2024-02-15 owners meeting.md"],
            moved: [{ from: "misc/roof.pdf", to: "contracts/roof.pdf" }],
            deleted: [],
            unchanged: 12,
            counts: { added: 2, modified: 1, moved: 1, deleted: 0, unchanged: 12 },
          };
          return HttpResponse.json(plan);
        }
        const job = ingest(`Sync “${row.name}”`, row.id, 3);
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
    http.post(
      `${V1}/collections/:id/uploads`,
      guarded(async ({ params, request }) => {
        const collection = db.collections.find((c) => c.id === params.id);
        if (!collection) return missing("collection");
        const body = await request.formData();
        const files = body.getAll("files") as File[];
        const given = body.getAll("path").map(String);
        let source = db.sources.find((s) => s.collection_id === collection.id && s.kind === "upload");
        if (!source) {
          source = {
            id: newId(),
            collection_id: collection.id,
            kind: "upload",
            name: "Uploads",
            settings: {},
            listed: 0,
            synced_at: now(),
            last_job_id: null,
            created_at: now(),
          };
          db.sources.push(source);
        }
        const fates: S["UploadedFile"][] = [];
        for (const [i, file] of files.entries()) {
          const path = given[i] ?? file.name;
          if (file.name.endsWith(".exe")) {
            fates.push({
              name: file.name,
              document_path: null,
              state: "rejected",
              size_bytes: file.size,
              code: "executable",
              reason: `${file.name} is a program, not a document.`,
              hint: null,
            });
            continue;
          }
          const text = /\.(txt|md|csv)$/.test(file.name) ? await file.text() : `${file.name} was read.`;
          const parts = text.split(/\n\n+/);
          const row = documentRow({
            collection_id: collection.id,
            collection_name: collection.name,
            source_id: source.id,
            source_name: source.name,
            path,
            state: "pending",
            size_bytes: file.size,
            media_type: file.type || "text/plain",
            indexed_at: null,
            created_at: now(),
            updated_at: now(),
            modified_at: now(),
            text,
            text_chars: [...text].length,
          });
          let start = 0;
          row.chunks = parts.map((part, ordinal) => {
            const at = [...text.slice(0, text.indexOf(part, start))].length;
            start = text.indexOf(part, start) + part.length;
            return {
              id: newId(),
              ordinal,
              text: part,
              start: at,
              end: at + [...part].length,
              tokens: 20,
              page: null,
              heading_path: [],
              position: {},
              language: "en",
            };
          });
          db.documents.unshift(row);
          fates.push({
            name: file.name,
            document_path: path,
            state: "accepted",
            size_bytes: file.size,
            code: null,
            reason: null,
            hint: null,
          });
        }
        const accepted = fates.filter((f) => f.state === "accepted").length;
        const job =
          accepted > 0 ? ingest(`Index ${accepted} uploads in “${collection.name}”`, source.id, accepted) : null;
        return HttpResponse.json({ source_id: source.id, job_id: job?.id ?? null, files: fates }, { status: 202 });
      }),
    ),

    http.get(
      `${V1}/documents`,
      guarded(({ query }) => {
        const list = (name: string) => query.get(name)?.split(",") ?? null;
        const states = list("state");
        const rows = db.documents.filter(
          (d) =>
            (!query.get("collection") || d.collection_id === query.get("collection")) &&
            (!query.get("source") || d.source_id === query.get("source")) &&
            (!query.get("parent") || d.parent_id === query.get("parent")) &&
            (!states || states.includes(d.state)) &&
            (!query.get("code") || d.code === query.get("code")) &&
            (!query.get("media_type") || d.media_type === query.get("media_type")) &&
            (!query.get("language") || d.language === query.get("language")) &&
            d.name.toLowerCase().includes(query.get("q")?.toLowerCase() ?? ""),
        );
        const found = page(rows, query);
        return HttpResponse.json({ ...found, items: found.items.map(out) });
      }),
    ),
    http.get(
      `${V1}/collections/:id/failures`,
      guarded(({ params, query }) => {
        const order = ["failed", "partial", "skipped"];
        const rows = db.documents
          .filter((d) => d.collection_id === params.id && order.includes(d.state))
          .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
        const found = page(rows, query);
        return HttpResponse.json({ ...found, items: found.items.map(out) });
      }),
    ),
    http.post(
      `${V1}/collections/:id/retry-failed`,
      guarded(async ({ params, request }) => {
        const { codes = [] } = (await request.json().catch(() => ({}))) as S["RetryFailedRequest"];
        const rows = db.documents.filter(
          (d) =>
            d.collection_id === params.id &&
            d.state === "failed" &&
            (codes.length === 0 || codes.includes(d.code ?? "")),
        );
        for (const row of rows) row.state = "pending";
        const job = createJob(db, {
          kind: "retry_documents",
          title: `Retry ${rows.length} documents`,
          source_id: rows[0]?.source_id ?? null,
          collection_id: String(params.id),
          counts: { total: rows.length, done: 0, failed: 0, skipped: 0, quarantined: 0 },
        });
        return HttpResponse.json({ job_id: job.id, documents: rows.length }, { status: 202 });
      }),
    ),
    http.get(
      `${V1}/documents/:id`,
      guarded(({ params }) => {
        const row = one(params.id);
        return row ? HttpResponse.json(detail(row)) : missing("document");
      }),
    ),
    http.get(
      `${V1}/documents/:id/text`,
      guarded(({ params, query }) => {
        const row = one(params.id);
        if (!row) return missing("document");
        const points = [...row.text];
        const start = Number(query.get("start") ?? 0);
        const end = Math.min(points.length, Number(query.get("end") ?? start + 200_000));
        return HttpResponse.json({ text: points.slice(start, end).join(""), start, end, total_chars: points.length });
      }),
    ),
    http.get(
      `${V1}/documents/:id/chunks`,
      guarded(({ params, query }) => {
        const row = one(params.id);
        if (!row) return missing("document");
        const around = query.get("around");
        if (around) {
          const at = row.chunks.findIndex((c) => c.id === around);
          if (at < 0) return missing("passage");
          const limit = Number(query.get("limit") ?? 50);
          const start = Math.max(0, at - Math.floor(limit / 2));
          return HttpResponse.json({
            items: row.chunks.slice(start, start + limit),
            next_cursor: null,
            total: row.chunks.length,
          });
        }
        return HttpResponse.json(page(row.chunks, query));
      }),
    ),
    http.get(
      `${V1}/documents/:id/original`,
      guarded(({ params }) => {
        const row = one(params.id);
        if (!row) return missing("document");
        return new HttpResponse(row.text, {
          headers: { "Content-Type": "text/plain", "Content-Disposition": "attachment" },
        });
      }),
    ),
    http.post(
      `${V1}/documents/:id/retry`,
      guarded(async ({ params, request }) => {
        const row = one(params.id);
        if (!row) return missing("document");
        const { password } = (await request.json().catch(() => ({}))) as S["RetryRequest"];
        if (row.code === "needs_password" && password === "wrong")
          return problem(422, "wrong_password", `This is not the password of ${row.name}.`);
        row.state = "pending";
        row.code = null;
        row.reason = null;
        row.hint = null;
        const job = ingest(`Retry “${row.name}”`, row.source_id, 1);
        return HttpResponse.json({ job_id: job.id, documents: 1 }, { status: 202 });
      }),
    ),
    http.delete(
      `${V1}/documents/:id`,
      guarded(({ params }) => {
        const row = one(params.id);
        if (!row) return missing("document");
        if (db.sources.find((s) => s.id === row.source_id)?.kind !== "upload")
          return problem(
            409,
            "not_an_upload",
            `${row.name} comes from a folder and would come back with the next sync.`,
            { hint: "Delete the file there, then sync." },
          );
        db.documents = db.documents.filter((d) => d !== row);
        const job = createJob(db, { kind: "delete_document", title: `Delete “${row.name}”` });
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),

    http.post(
      `${V1}/search`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["SearchRequest"];
        if (!body.query.trim())
          return problem(422, "empty_query", "The query is empty.", { hint: "Type at least one word." });
        if (body.query.length > 4000)
          return problem(422, "query_too_long", `The query has ${body.query.length} characters; 4,000 are allowed.`);
        return HttpResponse.json(search(db, body));
      }),
    ),

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
        const found = page(scope.filter((j) => states.length === 0 || states.includes(j.status)).map(jobOut), query);
        return HttpResponse.json({ ...found, summary });
      }),
    ),
    http.get(
      `${V1}/jobs/:id`,
      guarded(({ params }) => {
        const job = db.jobs.find((j) => j.id === params.id);
        return job ? HttpResponse.json(jobOut(job)) : missing("job");
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

function preview(body: { text: string; chunking: S["Chunking"] }): S["PreviewChunk"][] {
  const out: S["PreviewChunk"][] = [];
  const trail: string[] = [];
  let text = "";
  let start = 0;
  let at = 0;
  const flush = () => {
    if (text.trim())
      out.push({
        ordinal: out.length,
        text: text.trim(),
        start,
        end: start + text.length,
        tokens: Math.ceil(text.length / 4.2),
        heading_path: [...trail],
      });
    text = "";
    start = at;
  };
  for (const paragraph of body.text.split(/\n\n+/)) {
    const heading = /^(#{1,6}) (.+)/.exec(paragraph);
    if (heading) {
      flush();
      trail.splice((heading[1]?.length ?? 1) - 1);
      trail.push(heading[2] ?? "");
    } else if (text && (text.length + paragraph.length) / 4.2 > body.chunking.max_tokens) flush();
    text += `${paragraph}\n\n`;
    at += paragraph.length + 2;
  }
  flush();
  return out;
}
