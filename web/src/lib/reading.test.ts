import { describe, expect, it } from "vitest";
import { standsAsWritten, stretches } from "./reading";

describe("a passage in Markdown", () => {
  it("keeps its marks on the words", () => {
    const text = "😀 **E-417** and `pump`";
    const marked = stretches(text, "text/markdown", [
      { start: 4, end: 9 },
      { start: 17, end: 21 },
    ]).filter((one) => one.marked);
    expect(marked.map((one) => one.text)).toEqual(["E-417", "pump"]);
  });
});

describe("text that stands as it is written", () => {
  it("is source code and structured text, not prose, tables or drawings", () => {
    for (const kind of [
      "text/x-source",
      "text/x-python",
      "application/json",
      "application/yaml",
      "text/yaml",
      "text/xml",
    ])
      expect(standsAsWritten(kind), kind).toBe(true);
    for (const kind of [
      "text/plain",
      "text/markdown",
      "text/csv",
      "text/html",
      "application/pdf",
      "image/svg+xml",
      null,
    ])
      expect(standsAsWritten(kind), String(kind)).toBe(false);
  });
});
