/** Sources, their sync, uploads. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { createJob, type Db, newId, now, sourceOut } from "../db.ts";
import { receive } from "../uploads.ts";
import { guard, ingest, missing, page, problem, V1 } from "./answers.ts";

type S = components["schemas"];

export function sources(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
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
          held_deletions: null,
          synced_at: null,
          last_job_id: null,
          budget: body.budget ?? null,
          check_every_s: body.check_every_s,
          checked_at: null,
          check_note: null,
          created_at: now(),
        };
        db.sources.push(row);
        if (body.sync !== false) ingest(db, `Sync “${row.name}”`, row.id, 3);
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
        if (body.budget !== undefined) row.budget = body.budget;
        if (body.check_every_s !== undefined) row.check_every_s = body.check_every_s;
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
      guarded(async ({ params, query, request }) => {
        const row = db.sources.find((s) => s.id === params.id);
        if (!row) return missing("source");
        const wanted = (await request.json().catch(() => ({}))) as S["SyncRequest"];
        if (query.get("dry_run") === "true") {
          const plan: S["SyncPlan"] = {
            added: ["letters/2024-10-01 boiler service.docx", "costs/running-costs-2024.xlsx"],
            modified: ["minutes/2024-02-15 owners meeting.md"],
            moved: [{ from: "misc/roof.pdf", to: "contracts/roof.pdf" }],
            deleted: row.held_deletions === null ? [] : ["costs/2019.xlsx", "costs/2020.xlsx"],
            unchanged: 12,
            counts: { added: 2, modified: 1, moved: 1, deleted: row.held_deletions ?? 0, unchanged: 12 },
            held_deletions: row.held_deletions ?? 0,
            estimate: {
              items: { low: 3, likely: 3, high: 3 },
              chunks: { low: 20, likely: 31, high: 48 },
              minutes: { low: 3, likely: 4, high: 5 },
              disk_bytes: { low: 310_000, likely: 420_000, high: 600_000 },
              tokens: { low: 6_100, likely: 9_300, high: 14_000 },
              cost: { low: 0.0006, likely: 0.0009, high: 0.0014 },
              sampled: 3,
              speed_from: "earlier jobs",
            },
          };
          return HttpResponse.json(plan);
        }
        if ((wanted.max_delete ?? 0) >= (row.held_deletions ?? 0)) row.held_deletions = null;
        const job = ingest(db, `Sync “${row.name}”`, row.id, 3);
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
    http.post(
      `${V1}/collections/:id/uploads`,
      guarded(async ({ params, request }) => {
        const collection = db.collections.find((c) => c.id === params.id);
        if (!collection) return missing("collection");
        const body = await request.formData();
        const answer = await receive(db, collection, body.getAll("files") as File[], body.getAll("path").map(String));
        return HttpResponse.json(answer, { status: 202 });
      }),
    ),
  ];
}
