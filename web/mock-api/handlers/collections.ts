/** Collections and the preview of passages. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { collectionOut, createJob, type Db, newId, now } from "../db.ts";
import { guard, missing, page, problem, V1 } from "./answers.ts";

type S = components["schemas"];

export function collections(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
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
    http.get(
      `${V1}/collections/:id/export`,
      guarded(({ params }) => {
        const row = db.collections.find((c) => c.id === params.id);
        return row ? new HttpResponse(JSON.stringify(row)) : missing("collection");
      }),
    ),
    http.post(
      `${V1}/collections/import`,
      guarded(async ({ request }) => {
        const file = (await request.formData()).get("file") as File;
        if (!(await file.slice(0, 100).text()).includes("manifest.json"))
          return problem(
            422,
            "archive_damaged",
            "The file is no archive of Semantik: it does not begin with a manifest.",
          );
        const job = createJob(db, { kind: "import_collection", title: "Import Papers", queue: "io" });
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
