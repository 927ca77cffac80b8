/**
 * The lines of a PDF as paragraphs again. Pure.
 *
 * A PDF says where a line ends on the paper and not why, and hardly ever has an empty line. But a line that left room for
 * the word after it ends because something ends there: a paragraph, a heading, a row. Only a full line is read on in the
 * next one. Such a break becomes one blank, so that spans stay right; all others stay.
 */

/** Begins an item of a list, which may itself run over several lines: "• a", "1. a", "4.2. a", "(2) a", "b) a". */
const ITEM = /^(?:[•‣◦▪●○■□☐☑☒\uf0a7\uf0b7]|[*–—-]\s|\(?(?:\d{1,3}|[a-z])\)\s|\d{1,3}(?:\.\d{1,3})*\.\s)/i;
/** Scripts that set no blank between words: one at the end of a line would part a word. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\u3000-\u303f\uff00-\uffef]/u;
/** How many lines before and after tell how wide the text is set: a page may have columns below a wide beginning. */
const AROUND = 8;
/** Cells of a row that stand apart. */
const GAP = /\S[ \t\u00a0]{2,}\S/;
/** Where no line is longer, one that begins with a capital may as well follow a heading or stand in an address. */
const NARROW = 40;
/** Measured on 6,450 breaks within a sentence, of annual reports: with the next word 97 % of the lines exceed this share. */
const FULL = 0.9;

export const flows = (mediaType: string | null) => mediaType === "application/pdf";

/** A document's text, or a passage of it, with the line breaks of the layout taken out where it is a PDF. */
export function flowed(text: string, mediaType: string | null): string {
  if (!flows(mediaType)) return text;
  const lines = text.split("\n");
  const bare = lines.map((line) => line.trim());
  return lines.map((line, i) => (i === 0 ? line : `${readsOn(bare, i) ? " " : "\n"}${line}`)).join("");
}

/** Whether line `i` goes on with the sentence of the one before it. */
function readsOn(lines: readonly string[], i: number): boolean {
  const before = lines[i - 1] ?? "";
  const line = lines[i] ?? "";
  if (!before || !line || isRow(before) || isRow(line) || ITEM.test(line)) return false;
  if (UNSPACED.test(before.slice(-1)) && UNSPACED.test(line.charAt(0))) return false;
  const word = line.split(/\s/, 1)[0] ?? "";
  const set = width(lines.slice(Math.max(0, i - AROUND), i + AROUND));
  if (set < NARROW && /^\p{Lu}/u.test(line)) return false;
  return before.length + 1 + word.length > FULL * set;
}

/** Where there are many lines, the few that stand out from the column do not count. */
function width(lines: readonly string[]): number {
  const lengths = lines.flatMap(({ length }) => length || []).sort((a, b) => b - a);
  return lengths[Math.floor(lengths.length / 8)] ?? 0;
}

/** A row of a table: cells in bars or apart, or a line that ends in two figures. A date ("May 31, 2021") is no pair of them. */
function isRow(line: string): boolean {
  if (line.startsWith("|") || GAP.test(line)) return true;
  const last = line.split(/\s+/).slice(-2);
  return (
    last.length === 2 &&
    last.every((word) => /^[–—$€£%()-]+$/.test(word) || (/\d/.test(word) && !/\p{L}|[,;:]$/u.test(word)))
  );
}
