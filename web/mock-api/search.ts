/** A toy search over the seeded passages: words in common, scored by rarity. Enough to look right, no more. */
import type { components } from "../src/api/generated/schema";
import type { Db, Row } from "./db.ts";

type S = components["schemas"];
const STOP = new Set(
  "a an and are at be by do does for from how i in is it of on or that the to was what when where which who with".split(
    " ",
  ),
);

const stem = (word: string) => word.toLowerCase().replace(/(ing|ed|es|s|d)$/, "");
export const terms = (query: string) =>
  [...new Set((query.match(/[\p{L}\p{N}]+/gu) ?? []).filter((w) => !STOP.has(w.toLowerCase())).map(stem))].filter(
    Boolean,
  );

function highlights(text: string, wanted: ReadonlySet<string>): S["Span"][] {
  const spans: S["Span"][] = [];
  let point = 0;
  let unit = 0;
  for (const match of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    point += [...text.slice(unit, match.index)].length;
    unit = match.index;
    if (wanted.has(stem(match[0]))) spans.push({ start: point, end: point + [...match[0]].length });
  }
  return spans;
}

export function search(db: Db, request: S["SearchRequest"]): S["SearchAnswer"] {
  const wanted = new Set(terms(request.query));
  const within = request.collections ?? db.collections.map((c) => c.id);
  const filters: Partial<S["Filters"]> = request.filters ?? {};
  const pass = (d: Row) =>
    within.includes(d.collection_id) &&
    (!filters.documents?.length || filters.documents.includes(d.id)) &&
    (!filters.media_types?.length || filters.media_types.includes(d.media_type ?? "")) &&
    (!filters.languages?.length || filters.languages.includes(d.language ?? "")) &&
    (!filters.tags || filters.tags.every((tag) => d.tags.includes(tag)));
  const found: { row: Row; chunk: S["Chunk"]; score: number; matched: string[] }[] = [];
  for (const row of db.documents) {
    if (!pass(row)) continue;
    for (const chunk of row.chunks) {
      const words = new Set((chunk.text.match(/[\p{L}\p{N}]+/gu) ?? []).map(stem));
      const matched = [...wanted].filter((term) => words.has(term));
      if (matched.length > 0)
        found.push({ row, chunk, score: matched.length / wanted.size - chunk.ordinal * 0.004, matched });
    }
  }
  found.sort((a, b) => b.score - a.score);
  const grouped = request.group_by !== "none";
  const seen = new Set<string>();
  const best = found.filter(({ row }) => {
    if (!grouped) return true;
    if (seen.has(row.id)) return false;
    seen.add(row.id);
    return true;
  });
  const limit = request.limit ?? 10;
  const start = request.cursor ? Number(request.cursor) : 0;
  const weights = { dense: 0.58, sparse: 0.42 };
  const why = "Both sides agree on their first passages, so they count about alike.";
  return {
    query: request.query,
    mode: request.mode ?? "hybrid",
    hits: best.slice(start, start + limit).map(({ row, chunk, score, matched }, i) => ({
      chunk_id: chunk.id,
      score: Math.max(0.05, Math.min(0.97, score * 0.94)),
      document: {
        id: row.id,
        name: row.name,
        title: row.title,
        path: row.path,
        media_type: row.media_type,
        collection_id: row.collection_id,
        collection_name: row.collection_name,
        source_id: row.source_id,
      },
      page: chunk.page,
      heading_path: chunk.heading_path,
      position: chunk.position,
      passage: { text: chunk.text, start: chunk.start, end: chunk.end },
      highlights: highlights(chunk.text, wanted),
      more_in_document: grouped ? found.filter((f) => f.row.id === row.id).length - 1 : 0,
      source_link: `/documents/${row.id}?chunk=${chunk.id}`,
      explain: {
        dense: { rank: start + i + 1, score: 0.871 - i * 0.009, z: 2.4 - i * 0.1 },
        sparse: { rank: start + i + 2, score: 9.2 - i * 0.4, z: 2.1 - i * 0.1, terms: matched },
        weights,
        why,
      },
    })),
    next_cursor: best.length > start + limit ? String(start + limit) : null,
    took_ms: 18.4,
    collections: db.collections.filter((c) => within.includes(c.id)).map(({ id, name }) => ({ id, name })),
    notes: [],
    explain: { weights, why },
  };
}
