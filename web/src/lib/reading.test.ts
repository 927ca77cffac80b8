import { describe, expect, it } from "vitest";
import { stretches } from "./reading";

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
