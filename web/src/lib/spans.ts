/** Offsets of the API count code points; JavaScript strings count UTF-16 units. Everything that cuts text goes through here. */

export type Span = { start: number; end: number };

/** True when each code point is one unit, so that offsets can be used as they are. */
function plain(text: string): boolean {
  return !/[\uD800-\uDFFF]/.test(text);
}

/** Length in code points. */
export function points(text: string): number {
  if (plain(text)) return text.length;
  let n = 0;
  for (const _ of text) n += 1;
  return n;
}

/** Turns ascending code point offsets into UTF-16 offsets of `text`; what lies beyond the end becomes the end. */
export function units(text: string, offsets: readonly number[]): number[] {
  if (plain(text)) return offsets.map((offset) => Math.max(0, Math.min(offset, text.length)));
  const order = offsets.map((offset, index) => ({ offset, index })).sort((a, b) => a.offset - b.offset);
  const out = new Array<number>(offsets.length).fill(text.length);
  let next = 0;
  let point = 0;
  let unit = 0;
  while (next < order.length && unit <= text.length) {
    const want = order[next];
    if (!want) break;
    if (point >= want.offset) {
      out[want.index] = unit;
      next += 1;
      continue;
    }
    if (unit >= text.length) break;
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
    point += 1;
  }
  return out;
}

/** `text.slice` by code points. */
export function slice(text: string, start: number, end: number): string {
  const [a = 0, b = text.length] = units(text, [start, end]);
  return text.slice(a, b);
}

/** Sorts spans, joins those that touch or overlap, drops empty ones. */
export function merged(spans: readonly Span[]): Span[] {
  const out: Span[] = [];
  for (const span of [...spans].filter((s) => s.end > s.start).sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = out[out.length - 1];
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else out.push({ ...span });
  }
  return out;
}

export type Piece = { text: string; marked: boolean; start: number };

/** Cuts `text`, whose first code point is `origin` in the coordinates of `spans`, into marked and plain pieces. */
export function pieces(text: string, spans: readonly Span[], origin = 0): Piece[] {
  const length = points(text);
  const inside = merged(
    spans.map((s) => ({ start: Math.max(0, s.start - origin), end: Math.min(length, s.end - origin) })),
  );
  if (inside.length === 0) return text ? [{ text, marked: false, start: origin }] : [];
  const cuts = inside.flatMap((s) => [s.start, s.end]);
  const at = units(text, cuts);
  const out: Piece[] = [];
  let unit = 0;
  let point = 0;
  inside.forEach((span, i) => {
    const a = at[2 * i] ?? text.length;
    const b = at[2 * i + 1] ?? text.length;
    if (a > unit) out.push({ text: text.slice(unit, a), marked: false, start: origin + point });
    if (b > a) out.push({ text: text.slice(a, b), marked: true, start: origin + span.start });
    unit = b;
    point = span.end;
  });
  if (unit < text.length) out.push({ text: text.slice(unit), marked: false, start: origin + point });
  return out;
}

/** Spans in a URL: "3-9.20-31". */
export function writeSpans(spans: readonly Span[]): string {
  return spans.map((s) => `${s.start}-${s.end}`).join(".");
}

export function readSpans(text: string | null): Span[] {
  if (!text) return [];
  return text.split(".").flatMap((part) => {
    const found = /^(\d{1,9})-(\d{1,9})$/.exec(part);
    return found ? [{ start: Number(found[1]), end: Number(found[2]) }] : [];
  });
}
