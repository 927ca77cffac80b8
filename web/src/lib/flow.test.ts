import { describe, expect, it } from "vitest";
import { flowed } from "./flow";

const PDF = "application/pdf";

describe("the lines of a PDF", () => {
  it("are read on where the next word had no room, and end where a paragraph or a heading does", () => {
    const text = `1 Summary
The failure began at 02:40, when pump P-2 at Lindhof stopped with error E-417. Pump P-1 did not
take over. Nobody fell ill. A boil-water notice was in force until 18 March.
2 What happened
The operator on duty was paged at 02:44 and reached the station at 03:35. The road was icy. He
found P-2 stopped.`;
    expect(flowed(text, PDF).split("\n")).toEqual([
      "1 Summary",
      "The failure began at 02:40, when pump P-2 at Lindhof stopped with error E-417. Pump P-1 did not take over. Nobody fell ill. A boil-water notice was in force until 18 March.",
      "2 What happened",
      "The operator on duty was paged at 02:44 and reached the station at 03:35. The road was icy. He found P-2 stopped.",
    ]);
  });

  it("keep their empty lines, and every character its place", () => {
    const text = "The boiler 🔥 is serviced\nevery October.\n \nThe filter is changed\nas well.\n";
    expect(flowed(text, PDF)).toBe("The boiler 🔥 is serviced every October.\n \nThe filter is changed as well.\n");
    expect(flowed(text, PDF)).toHaveLength(text.length);
  });

  it.each(["• the key", "- the key", "1. the key", "4.2. the key", "(2) the key", "b) the key", "| the key |"])(
    "begin anew with %s",
    (line) => {
      const text = `Before the season the porter takes\n${line}`;
      expect(flowed(text, PDF)).toBe(text);
    },
  );

  it("read on within an item, but not after a row in bars", () => {
    expect(flowed("• the key that hangs in the\nporter's office", PDF)).toBe(
      "• the key that hangs in the porter's office",
    );
    expect(flowed("| key | the porter's office |\nThe pump is in the cellar.", PDF)).toContain("|\nThe pump");
  });

  it("stay rows where they end in figures, however they are filled", () => {
    const table =
      "Cash and equivalents $ 9,889 $ 8,348\nShort-term investments 3,587 (439)\nPreferred stock — —\nShare 5.7% 23.2%";
    expect(flowed(table, PDF)).toBe(table);
  });

  it("stay where a heading is as long as what follows, and where cells stand apart", () => {
    for (const text of [
      "Annual report of the works\nThe pump stands in the cellar.",
      "Name of the tenant     Rent due\nMiller, ground floor   in May\nSmith, first floor     in June",
    ])
      expect(flowed(text, PDF)).toBe(text);
  });

  it("are no rows for ending in a date", () => {
    const text = "The statements were audited as of December 31, 2017\nand they agree.";
    expect(flowed(text, PDF)).toBe(text.replace("\n", " "));
  });

  it("are measured by their column, not by a wide line above it", () => {
    const column = Array.from({ length: 12 }, () => "The surveyor walked the wall from the gate").join("\n");
    const page = `A title that runs over the whole width of the page and over both of its columns\n${column}`;
    expect(flowed(page, PDF)).toContain(column.replaceAll("\n", " "));
  });

  it("are left as they are where a script sets no blanks", () => {
    const text = "锅炉每年十月检修一次，\n同时更换过滤器。";
    expect(flowed(text, PDF)).toBe(text);
  });

  it("are those of a PDF only", () => {
    const text = "The boiler is serviced\nevery October.";
    for (const kind of ["text/plain", "text/x-python", null]) expect(flowed(text, kind)).toBe(text);
  });
});
