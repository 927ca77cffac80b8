import { describe, expect, it } from "vitest";
import { batches, shares } from "./batches";
import {
  ago,
  asSentence,
  bytes,
  clock,
  count,
  counted,
  duration,
  eta,
  languageName,
  mediaKind,
  percent,
  rate,
} from "./format";
import { paths, safeNext, withQuery } from "./paths";
import { merged, pieces, points, readSpans, slice, units, writeSpans } from "./spans";
import { codeWords, documentLook, jobLook, sentence } from "./words";

describe("spans", () => {
  it("counts code points, not UTF-16 units", () => {
    expect(points("a🧪b")).toBe(3);
    expect(slice("a🧪b", 1, 2)).toBe("🧪");
    expect(units("🧪🧪x", [2, 1, 99])).toEqual([4, 2, 5]);
  });

  it("cuts a text with emoji at the offsets the API gives", () => {
    const text = "Loss is 6 % 🧪 with glycerol";
    const start = [...text].indexOf("g");
    const found = pieces(text, [{ start, end: start + 8 }]);
    expect(found.find((piece) => piece.marked)?.text).toBe("glycerol");
    expect(found.map((piece) => piece.text).join("")).toBe(text);
  });

  it("joins overlapping spans and clips those that reach outside", () => {
    expect(
      merged([
        { start: 4, end: 8 },
        { start: 0, end: 5 },
        { start: 9, end: 9 },
      ]),
    ).toEqual([{ start: 0, end: 8 }]);
    expect(pieces("abcdef", [{ start: 8, end: 40 }], 10)).toEqual([{ text: "abcdef", marked: true, start: 10 }]);
    expect(pieces("abcdef", [{ start: 0, end: 2 }], 10)).toEqual([{ text: "abcdef", marked: false, start: 10 }]);
  });

  it("reads back the spans it wrote into a URL, and nothing else", () => {
    const spans = [
      { start: 3, end: 9 },
      { start: 20, end: 31 },
    ];
    expect(readSpans(writeSpans(spans))).toEqual(spans);
    expect(readSpans("3-9.x.-4-5")).toEqual([{ start: 3, end: 9 }]);
    expect(readSpans(null)).toEqual([]);
  });
});

describe("format", () => {
  it("says numbers and sizes as people do", () => {
    expect(count(10_000)).toBe("10,000");
    expect(count(null)).toBe("–");
    expect(counted(1, "document")).toBe("1 document");
    expect(counted(1204, "document")).toBe("1,204 documents");
    expect(bytes(999)).toBe("999 B");
    expect(bytes(84_211)).toBe("84 kB");
    expect(bytes(2_410_233)).toBe("2.4 MB");
    expect(bytes(999_999)).toBe("1.0 MB");
  });

  it("never rounds up to all or down to nothing", () => {
    expect(percent(9_999, 10_000)).toBe(99);
    expect(percent(1, 10_000)).toBe(1);
    expect(percent(0, 0)).toBe(0);
    expect(percent(5, 5)).toBe(100);
    expect(percent(1, 2)).toBe(50);
  });

  it("says times in words and hides an ETA that would be a guess", () => {
    expect(clock(161)).toBe("00:02:41");
    expect(eta(null)).toBeNull();
    expect(eta(2)).toBe("a moment left");
    expect(eta(77)).toBe("about 1 min 17 s left");
    expect(eta(3000)).toBe("about 50 min left");
    expect(eta(7200)).toBe("about 2 h left");
    expect(eta(400_000)).toBe("about 5 days left");
    expect(duration(0.85)).toBe("850 ms");
    expect(duration(200)).toBe("3 min 20 s");
    expect(duration(7500)).toBe("2 h 5 min");
    expect(rate(5.1)).toBe("5.1/s");
    expect(rate(0.02)).toBe("1.2/min");
    expect(rate(0)).toBeNull();
    const now = new Date("2026-11-24T12:00:00Z");
    expect(ago("2026-11-24T11:59:30Z", now)).toBe("just now");
    expect(ago("2026-11-24T11:20:00Z", now)).toBe("40 min ago");
    expect(ago("2026-11-23T11:00:00Z", now)).toBe("yesterday");
    expect(ago("2026-11-20T11:00:00Z", now)).toBe("4 days ago");
    expect(ago("2024-03-12T11:00:00Z", now)).toBe("12 Mar 2024");
    expect(ago("2026-11-24T12:10:00Z", now)).toBe("in 10 min");
  });

  it("names kinds and languages", () => {
    expect(mediaKind("application/pdf")).toBe("PDF");
    expect(mediaKind("image/heic")).toBe("Image");
    expect(mediaKind("text/x-python")).toBe("Code");
    expect(mediaKind("application/x-odd")).toBe("x-odd");
    expect(languageName("de")).toBe("German");
    expect(languageName("auto")).toBe("–");
  });

  it("makes sentences of half sentences and leaves names alone", () => {
    expect(asSentence("the file is empty")).toBe("The file is empty.");
    expect(asSentence("annual.pdf needs a password.")).toBe("annual.pdf needs a password.");
    expect(asSentence(null)).toBe("");
  });
});

describe("paths", () => {
  it("leaves out what is empty and escapes what is not ours", () => {
    expect(withQuery("/x", { a: "", b: null, c: ["1", "2"] })).toBe("/x?c=1%2C2");
    expect(paths.collectionDocuments("a/b", { state: "failed" })).toBe("/collections/a%2Fb?state=failed");
    expect(paths.document("d", { chunk: "c", marks: "1-2" })).toBe("/documents/d?chunk=c&marks=1-2");
  });

  it("follows no address of another site after a log in", () => {
    expect(safeNext("/jobs?status=failed")).toBe("/jobs?status=failed");
    for (const evil of ["//evil.example", "https://evil.example", "/\\evil.example", null, ""])
      expect(safeNext(evil)).toBe("/search");
  });
});

describe("batches", () => {
  const file = (size: number) => ({ size });
  it("sends small files together and a large one alone", () => {
    const found = batches([file(10), file(10), file(90), file(5)], { maxFiles: 3, maxBytes: 50 });
    expect(found.map((batch) => batch.map((f) => f.size))).toEqual([[10, 10], [90], [5]]);
    expect(batches([])).toEqual([]);
  });
  it("spreads what has gone out over the files, in order", () => {
    expect(shares([100, 100], 120, 200)).toEqual([1, 0.2]);
    expect(shares([100, 0], 220, 220)).toEqual([1, 1]);
  });
});

describe("words", () => {
  it("has a word for every state, also for one it does not know", () => {
    expect(documentLook("failed").word).toBe("Failed");
    expect(jobLook("completed", "partial").word).toBe("Completed in part");
    expect(jobLook("brand_new").word).toBe("Brand new");
    expect(codeWords("needs_password")).toBe("Needs a password");
    expect(codeWords("brand_new")).toBe("Brand new");
    expect(codeWords(null)).toBe("No code");
    expect(sentence("ingest_source")).toBe("Ingest source");
  });
});
