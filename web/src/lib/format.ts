/** Numbers, sizes and times as people say them. Pure; the reader's locale never changes the words. */

const whole = new Intl.NumberFormat("en-GB");

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : whole.format(Math.round(value));
}

/** "1 document", "1,204 documents". */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** A share in whole percent that says 100 only when all is done, and 0 only when nothing is. */
export function percent(part: number, whole_: number): number {
  if (whole_ <= 0) return 0;
  const value = (100 * part) / whole_;
  if (value >= 100) return 100;
  if (value > 99) return 99;
  if (value > 0 && value < 1) return 1;
  return Math.round(value);
}

/** "00:02:41" */
export function clock(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(Math.floor(total / 3600))}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
}

/** "about 1 min 17 s left"; null when it would be a guess. */
export function eta(seconds: number | null | undefined): string | null {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return null;
  if (seconds < 3) return "a moment left";
  if (seconds < 60) return `about ${Math.round(seconds)} s left`;
  if (seconds < 300) {
    const rounded = Math.round(seconds);
    const rest = rounded % 60;
    return `about ${Math.floor(rounded / 60)} min${rest ? ` ${rest} s` : ""} left`;
  }
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  if (seconds < 172_800) return `about ${Math.round(seconds / 3600)} h left`;
  return `about ${Math.round(seconds / 86_400)} days left`;
}

/** "850 ms", "4.2 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const total = Math.round(seconds);
  if (total < 3600) {
    const rest = total % 60;
    return `${Math.floor(total / 60)} min${rest ? ` ${rest} s` : ""}`;
  }
  const minutes = Math.round(total / 60);
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
}

/** A time that is not known exactly: "40 s", "4 min", "2.5 h". */
export function roughly(seconds: number): string {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return `${hours < 9.95 ? hours.toFixed(1) : Math.round(hours)} h`;
}

/** A number that is not known exactly: "31", "9,300", "0.0014". */
export function about(value: number): string {
  return value >= 100 || Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(2)));
}

/** "3–5 min": the two ends of a range, with the unit once where it is the same. */
export function between(low: number, high: number, say: (value: number) => string): string {
  const [from, to] = [say(low), say(high)];
  if (from === to) return to;
  const unit = to.slice(to.lastIndexOf(" "));
  return to.includes(" ") && from.endsWith(unit) ? `${from.slice(0, -unit.length)}–${to}` : `${from}–${to}`;
}

export function rate(perSecond: number | null | undefined): string | null {
  if (!perSecond || perSecond <= 0) return null;
  if (perSecond >= 10) return `${count(perSecond)}/s`;
  if (perSecond >= 0.1) return `${perSecond.toFixed(1)}/s`;
  return `${(perSecond * 60).toFixed(1)}/min`;
}

/** "just now", "4 min ago", "3 h ago", "yesterday", "12 Mar", "12 Mar 2024". */
export function ago(iso: string, now: Date = new Date()): string {
  const then = new Date(iso);
  const seconds = (now.getTime() - then.getTime()) / 1000;
  if (seconds < -60) return `in ${duration(-seconds)}`;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 172_800) return "yesterday";
  if (seconds < 604_800) return `${Math.floor(seconds / 86_400)} days ago`;
  const year = then.getFullYear() === now.getFullYear() ? undefined : ("numeric" as const);
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year }).format(then);
}

/** The exact instant, for the hover. */
export function exact(iso: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "medium" }).format(new Date(iso));
}

export function day(iso: string): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }).format(new Date(iso));
}

const KINDS: Record<string, string> = {
  "application/pdf": "PDF",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
  "application/msword": "Word",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
  "application/vnd.ms-powerpoint": "PowerPoint",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
  "application/vnd.ms-excel": "Excel",
  "application/vnd.oasis.opendocument.text": "OpenDocument",
  "application/vnd.oasis.opendocument.spreadsheet": "OpenDocument sheet",
  "application/vnd.oasis.opendocument.presentation": "OpenDocument slides",
  "application/epub+zip": "EPUB",
  "application/rtf": "RTF",
  "text/rtf": "RTF",
  "application/zip": "ZIP",
  "application/x-ole-storage": "Office",
  "application/json": "JSON",
  "application/yaml": "YAML",
  "text/yaml": "YAML",
  "application/xml": "XML",
  "text/xml": "XML",
  "message/rfc822": "Mail",
  "text/html": "HTML",
  "text/markdown": "Markdown",
  "text/csv": "CSV",
  "text/tab-separated-values": "TSV",
  "text/plain": "Text",
};

/** The kind of a document in a word. */
export function mediaKind(mediaType: string | null | undefined): string {
  if (!mediaType) return "–";
  const known = KINDS[mediaType];
  if (known) return known;
  if (mediaType.startsWith("image/")) return "Image";
  if (mediaType.startsWith("text/x-")) return "Code";
  return mediaType.split("/").pop() ?? mediaType;
}

export function languageName(code: string | null | undefined): string {
  if (!code || code === "auto") return "–";
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** Makes a sentence of what may be half of one: "the file is empty" becomes "The file is empty." */
export function asSentence(words: string | null | undefined): string {
  const text = words?.trim() ?? "";
  if (!text) return "";
  // A word with a dot or a digit is a name ("annual.pdf needs a password") and keeps its letters.
  const first = /^[a-z]+(?=[\s,;:]|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}
