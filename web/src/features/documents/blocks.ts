/**
 * A document's text as blocks to draw: paragraphs, headings, and the places where a page or a passage begins. Pure.
 *
 * Offsets are code points from the start of the document, as everywhere in the API.
 */
import { points, units } from "@/lib/spans";

export type Block = {
  start: number;
  text: string;
  /** 1..6 when the block is a heading of the outline */
  level: number | null;
  /** the page that begins here */
  page: number | null;
  /** the passages that begin here, by ordinal */
  chunks: { ordinal: number; tokens: number }[];
};

type Heading = { start: number; level: number; page?: number | null };
type ChunkStart = { start: number; ordinal: number; tokens: number; page: number | null };

/** Where pages begin: at the first heading or chunk that lies on another page than what stood before it. */
export function pageStarts(chunks: readonly ChunkStart[], headings: readonly Heading[] = []): Map<number, number> {
  const out = new Map<number, number>();
  const first = chunks[0]?.start ?? 0;
  const end = chunks.at(-1)?.start ?? 0;
  // Headings beyond the known chunks would put a page too late or too early.
  const marks = [...chunks, ...headings.filter((h) => h.start <= end && (h.start >= first || chunks[0]?.ordinal === 0))]
    .map(({ start, page }) => ({ start, page: page ?? null }))
    .sort((a, b) => a.start - b.start);
  let last: number | null = null;
  for (const { start, page } of marks) {
    if (page !== null && page !== last) out.set(start, page);
    if (page !== null) last = page;
  }
  return out;
}

export function toBlocks(
  text: string,
  origin: number,
  {
    headings,
    chunks,
    showChunks,
    indented = false,
  }: { headings: readonly Heading[]; chunks: readonly ChunkStart[]; showChunks: boolean; indented?: boolean },
): Block[] {
  const end = origin + points(text);
  const inside = (offset: number) => offset >= origin && offset < end;
  const pages = pageStarts(chunks, headings);
  const levels = new Map(headings.filter((h) => inside(h.start)).map((h) => [h.start, h.level]));
  const starts = new Map<number, { ordinal: number; tokens: number }[]>();
  if (showChunks)
    for (const { start, ordinal, tokens } of chunks)
      if (inside(start)) starts.set(start, [...(starts.get(start) ?? []), { ordinal, tokens }]);

  const known = [...new Set([...levels.keys(), ...starts.keys(), ...[...pages.keys()].filter(inside)])].sort(
    (a, b) => a - b,
  );
  const at = units(
    text,
    known.map((offset) => offset - origin),
  );
  const cuts = new Set<number>([0, ...at]);
  // Where indentation has a meaning it belongs to the line that it begins.
  for (const match of text.matchAll(indented ? /\n[ \t]*\n(?:[ \t]*\n)*/g : /\n[ \t]*\n\s*/g))
    cuts.add(match.index + match[0].length);
  // A heading ends with its line.
  known.forEach((offset, i) => {
    if (!levels.has(offset)) return;
    const line = text.indexOf("\n", at[i]);
    if (line >= 0) cuts.add(line + 1);
  });

  const edges = [...cuts].filter((cut) => cut < text.length).sort((a, b) => a - b);
  const offsetAt = new Map(known.map((offset, i) => [at[i] ?? 0, offset]));
  const blocks: Block[] = [];
  let start = origin;
  edges.forEach((unit, i) => {
    const piece = text.slice(unit, edges[i + 1] ?? text.length);
    const here = offsetAt.get(unit);
    const block: Block = {
      start,
      text: piece,
      level: here !== undefined ? (levels.get(here) ?? null) : null,
      page: here !== undefined ? (pages.get(here) ?? null) : null,
      chunks: here !== undefined ? (starts.get(here) ?? []) : [],
    };
    start += points(piece);
    if (piece.trim() !== "" || block.page !== null || block.chunks.length > 0) blocks.push(block);
  });
  return blocks;
}
