/**
 * Markdown as a reader sees it: what to leave out of a passage when it is shown.
 * `semantik/entrypoints/cli/reading.py` does the same; both must pass tests/snapshots/reading.json.
 *
 * The passage itself stays as it is, because spans refer to it. Only documents whose text is written in Markdown are
 * read so: in source code `**` and `#` mean something else.
 */
import { merged, points, type Span, units } from "./spans";

/** UTF-16 offsets of what is replaced, and what stands there instead. */
type Cut = { start: number; end: number; put: string };

const WRITTEN_SO = /markdown|html|wordprocessing|msword|opendocument\.text|rtf|epub|outlook|rfc822/;
/** Where the line breaks and the indentation are the author's and carry meaning: it is shown as it stands. */
const AS_IT_STANDS = /^text\/x-|[/+](?:json|yaml|xml)$/;
export const standsAsWritten = (mediaType: string | null) =>
  mediaType !== null && !mediaType.startsWith("image/") && AS_IT_STANDS.test(mediaType);

const FENCE = /^ {0,3}(?:```|~~~)/;
const RULE = /^[|: \t-]*---[|: \t-]*$/;
const BLOCK = /^ {0,3}(?:#{1,6}[ \t]+|(?:> ?)+)/;
const CELLS = /[ \t]*(?<!\\)\|(?:[ \t]*\|)*[ \t]*/g;
/** Each with the sign in group 1 or 2, once before and once after what it is about. What lies in code is left alone. */
const CODE = /(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)/gu;
const PAIRS = [
  /(?<![\p{L}\p{N}_\\*])(\*{1,3})(?=[^\s*]).*?[^\s\\*]\1(?![\p{L}\p{N}_*])|(?<![\p{L}\p{N}_\\*])(\*{1,3})[^\s*]\2(?![\p{L}\p{N}_*])/gu,
  /(?<![\p{L}\p{N}_\\])(_{1,2})(?=[^\s_])[^_]*[^\s\\_]\1(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_\\])(_{1,2})[^\s_]\2(?![\p{L}\p{N}_])/gu,
];
/** A pair whose other half lies beyond the passage; escapes; line breaks in cells. */
const SINGLE = /(?<![\p{L}\p{N}_])\*\*(?=\S)|(?<=[^\s\\])\*\*(?![\p{L}\p{N}_])|\\(?=[!-/:-@[-`{-~])|<br ?\/?>/gu;

export function cuts(text: string, mediaType: string | null): Cut[] {
  if (!mediaType || !WRITTEN_SO.test(mediaType)) return [];
  const found: Cut[] = [];
  let at = 0;
  for (const line of text.split("\n")) {
    if (FENCE.test(line) || RULE.test(line))
      found.push({ start: at, end: Math.min(text.length, at + line.length + 1), put: "" });
    else for (const cut of inLine(line)) found.push({ start: at + cut.start, end: at + cut.end, put: cut.put });
    at += line.length + 1;
  }
  return found;
}

function inLine(line: string): Cut[] {
  const found: Cut[] = [];
  const block = BLOCK.exec(line);
  if (line.trimStart().startsWith("|"))
    for (const bar of line.matchAll(CELLS)) {
      const end = bar.index + bar[0].length;
      found.push({ start: bar.index, end, put: bar.index === 0 || end === line.length ? "" : " · " });
    }
  else if (block) found.push({ start: 0, end: block[0].length, put: "" });
  const kept: Span[] = [];
  for (const code of line.matchAll(CODE)) {
    found.push(...ends(code));
    kept.push({ start: code.index, end: code.index + code[0].length });
  }
  for (const pattern of PAIRS)
    for (const pair of line.matchAll(pattern)) found.push(...ends(pair).filter((cut) => free(cut, kept)));
  const taken = [...kept, ...found];
  for (const sign of line.matchAll(SINGLE)) {
    const cut = { start: sign.index, end: sign.index + sign[0].length, put: sign[0].startsWith("<") ? " " : "" };
    if (free(cut, taken)) found.push(cut);
  }
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

function ends(pair: RegExpExecArray): Cut[] {
  const length = (pair[1] ?? pair[2] ?? "").length;
  const end = pair.index + pair[0].length;
  return [
    { start: pair.index, end: pair.index + length, put: "" },
    { start: end - length, end, put: "" },
  ];
}

function free(cut: Span, taken: readonly Span[]): boolean {
  return taken.every((one) => cut.end <= one.start || one.end <= cut.start);
}

export type Stretch = { text: string; marked: boolean; start: number };

/** The passage as a reader sees it, in stretches that are marked or not; `spans` count code points of `text`. */
export function stretches(text: string, mediaType: string | null, spans: readonly Span[]): Stretch[] {
  const length = points(text);
  const inside = merged(spans.map((s) => ({ start: Math.max(0, s.start), end: Math.min(length, s.end) })));
  const edges = units(
    text,
    inside.flatMap((s) => [s.start, s.end]),
  );
  const out: Stretch[] = [];
  const left = cuts(text, mediaType);
  let at = 0;
  const push = (end: number, marked: boolean) => {
    let shown = "";
    const start = at;
    for (const cut of left) {
      if (cut.start >= end || cut.end <= at) continue;
      // What is cut belongs to the stretch in which it begins.
      shown += text.slice(at, Math.max(at, cut.start)) + (cut.start >= start ? cut.put : "");
      at = Math.max(at, cut.end);
    }
    shown += text.slice(Math.min(at, end), end);
    at = Math.max(at, end);
    if (shown) out.push({ text: shown, marked, start });
  };
  for (let i = 0; i < inside.length; i += 1) {
    push(edges[2 * i] ?? text.length, false);
    push(edges[2 * i + 1] ?? text.length, true);
  }
  push(text.length, false);
  return out;
}
