/** What becomes of uploaded files: a row and a job for each that can be read, a reason for each that cannot. */
import type { components } from "../src/api/generated/schema";
import { type Db, newId, now } from "./db.ts";
import { ingest } from "./handlers/answers.ts";
import { documentRow } from "./seed.ts";

type S = components["schemas"];

export async function receive(
  db: Db,
  collection: Db["collections"][number],
  files: readonly File[],
  given: readonly string[] = [],
): Promise<S["Uploaded"]> {
  let source = db.sources.find((s) => s.collection_id === collection.id && s.kind === "upload");
  if (!source) {
    source = {
      id: newId(),
      collection_id: collection.id,
      kind: "upload",
      name: "Uploads",
      settings: {},
      listed: 0,
      held_deletions: null,
      synced_at: now(),
      last_job_id: null,
      budget: null,
      check_every_s: null,
      checked_at: null,
      check_note: null,
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
    accepted > 0 ? ingest(db, `Index ${accepted} uploads in “${collection.name}”`, source.id, accepted) : null;
  return { source_id: source.id, job_id: job?.id ?? null, files: fates };
}
