/** Documents, their text, failures, and the search over them. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { createJob, type Db, type Row } from "../db.ts";
import { search } from "../search.ts";
import { guard, ingest, missing, page, problem, V1 } from "./answers.ts";

type S = components["schemas"];

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

export function documents(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
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
        const row = db.documents.find((d) => d.id === params.id);
        return row ? HttpResponse.json(detail(row)) : missing("document");
      }),
    ),
    http.get(
      `${V1}/documents/:id/text`,
      guarded(({ params, query }) => {
        const row = db.documents.find((d) => d.id === params.id);
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
        const row = db.documents.find((d) => d.id === params.id);
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
        const row = db.documents.find((d) => d.id === params.id);
        if (!row) return missing("document");
        return new HttpResponse(row.text, {
          headers: { "Content-Type": "text/plain", "Content-Disposition": "attachment" },
        });
      }),
    ),
    http.post(
      `${V1}/documents/:id/retry`,
      guarded(async ({ params, request }) => {
        const row = db.documents.find((d) => d.id === params.id);
        if (!row) return missing("document");
        const { password } = (await request.json().catch(() => ({}))) as S["RetryRequest"];
        if (row.code === "needs_password" && password === "wrong")
          return problem(422, "wrong_password", `This is not the password of ${row.name}.`);
        row.state = "pending";
        row.code = null;
        row.reason = null;
        row.hint = null;
        const job = ingest(db, `Retry “${row.name}”`, row.source_id, 1);
        return HttpResponse.json({ job_id: job.id, documents: 1 }, { status: 202 });
      }),
    ),
    http.delete(
      `${V1}/documents/:id`,
      guarded(({ params }) => {
        const row = db.documents.find((d) => d.id === params.id);
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
    http.get(
      `${V1}/search/questions`,
      guarded(() => HttpResponse.json({ items: db.questions })),
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
  ];
}
