import { waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { ids, open, screen, world } from "@/test/app";
import { pageStarts, toBlocks } from "./blocks";
import { grouped } from "./failures-tab";
import { readByOcr } from "./use-ocr";

const chunk = (ordinal: number, start: number, page: number | null) => ({ ordinal, start, page, tokens: 5 });

describe("the blocks of a text", () => {
  it("cut at paragraphs, headings and pages, and lose no character that can be read", () => {
    const text = "Heating\nThe boiler 🔥 hums.\n\nIt is old.\nPage two begins.";
    const two = [...text].join("").indexOf("Page") - 1; // one emoji before it: a code point less than units
    const blocks = toBlocks(text, 0, {
      headings: [{ start: 0, level: 1, page: 1 }],
      chunks: [chunk(0, 8, 1), chunk(1, two, 2)],
      showChunks: true,
    });
    expect(blocks.map((b) => b.text.trim())).toEqual([
      "Heating",
      "The boiler 🔥 hums.",
      "It is old.",
      "Page two begins.",
    ]);
    expect(blocks.map((b) => b.page)).toEqual([1, null, null, 2]);
    expect(blocks.map((b) => b.level)).toEqual([1, null, null, null]);
    expect(blocks.map((b) => b.chunks.length)).toEqual([0, 1, 0, 1]);
    for (const block of blocks)
      expect([...text].slice(block.start, block.start + [...block.text].length).join("")).toBe(block.text);
  });

  it("leave the indentation of source code to the line that it begins", () => {
    const text = "def a():\n    pass\n\n    return 1\n";
    const of = (indented: boolean) =>
      toBlocks(text, 0, { headings: [], chunks: [], showChunks: false, indented }).map((block) => block.text);
    expect(of(true)).toEqual(["def a():\n    pass\n\n", "    return 1\n"]);
    expect(of(false).at(-1)).toBe("return 1\n");
  });

  it("keep the document's offsets when a window begins in the middle", () => {
    const [block] = toBlocks("tail of it.\n\nnext", 1000, { headings: [], chunks: [], showChunks: false });
    expect(block?.start).toBe(1000);
  });

  it("mark a page once, at its first chunk", () => {
    expect([
      ...pageStarts([chunk(0, 0, 1), chunk(1, 50, 1), chunk(2, 90, 2), chunk(3, 120, null), chunk(4, 140, 2)]),
    ]).toEqual([
      [0, 1],
      [90, 2],
    ]);
  });
});

describe("failures", () => {
  it("are grouped with the true counts of the ledger, failed first", () => {
    const groups = grouped(
      [],
      [
        { state: "skipped", code: "no_text", count: 9 },
        { state: "failed", code: "damaged", count: 2 },
        { state: "failed", code: "timeout", count: 5 },
        { state: "indexed", code: "odd", count: 1 },
      ],
    );
    expect(groups.map((g) => [g.code, g.total])).toEqual([
      ["timeout", 5],
      ["damaged", 2],
      ["no_text", 9],
    ]);
  });

  it("say the reason and the hint, and take a password", async () => {
    const db = world();
    const { user } = open(`/collections/${ids(db).house}/failures`, db);
    expect(await screen.findByRole("heading", { name: /Needs a password 2/ })).toBeVisible();
    const retry = screen.getByRole("button", { name: "Retry annual-report-2019.pdf" });
    expect(retry).toHaveAccessibleDescription("Enter the password first.");
    await user.type(screen.getByLabelText("Password of annual-report-2019.pdf"), "open sesame{Enter}");
    expect(await screen.findByText("“annual-report-2019.pdf” is being read again.")).toBeVisible();
    await waitFor(() => expect(ids(db).document("annual-report-2019.pdf").state).toBe("pending"));
  });

  it("are told from what was left out, which a retry cannot change", async () => {
    const db = world();
    open(`/collections/${ids(db).house}/failures`, db);
    expect(await screen.findByRole("link", { name: /Not fully indexed ?7/ })).toBeVisible();
    expect(await screen.findByRole("link", { name: "empty.txt" })).toBeVisible();
    expect(screen.queryByRole("button", { name: "Retry empty.txt" })).not.toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Retry wall-survey.tiff" })).toBeVisible();
  });

  it("are retried all at once", async () => {
    const db = world();
    const { user } = open(`/collections/${ids(db).house}/failures`, db);
    await user.click(await screen.findByRole("button", { name: "Retry all failed" }));
    expect(await screen.findByText("4 documents will be read again.")).toBeVisible();
  });
});

describe("a document", () => {
  it("opens at the passage, with its words marked", async () => {
    const db = world();
    const row = ids(db).document("house-manual.pdf");
    const target = row.chunks.find((c) => c.text.includes("serviced every October"));
    const at = (target?.start ?? 0) + (target?.text.indexOf("serviced") ?? 0);
    open(`/documents/${row.id}?chunk=${target?.id}&marks=${at}-${at + 8}`, db);
    expect(await screen.findByRole("heading", { level: 1, name: "House manual, Linden Street 14" })).toBeVisible();
    await waitFor(() => expect(document.querySelector("[data-passage]")).toHaveTextContent(/serviced every October/));
    expect(document.querySelector("mark")).toHaveTextContent("serviced");
    expect(screen.getByText("page 2")).toBeVisible();
    const outline = screen.getByRole("navigation", { name: "Outline" });
    expect(within(outline).getByRole("button", { name: /Service/ })).toHaveAttribute("aria-current", "location");
  });

  it("shows the lines of a PDF as paragraphs, with its words marked", async () => {
    const db = world();
    const row = ids(db).document("house-manual.pdf");
    const target = row.chunks.find(({ text }) => text.includes("serviced every October"));
    const whole = target?.text ?? "";
    row.text = row.text.replace(whole, whole.replace(/(.{40,50}) /g, "$1\n"));
    const at = (target?.start ?? 0) + whole.indexOf("burner");
    open(`/documents/${row.id}?chunk=${target?.id}&marks=${at}-${at + 6}`, db);
    await waitFor(() => expect(document.querySelector("[data-passage]")).toBeInTheDocument());
    expect(document.querySelector("[data-passage]")?.closest("p")?.textContent).toBe(whole);
    expect(document.querySelector("mark")).toHaveTextContent("burner");
  });

  it("goes to a heading by its outline, shows passages and facts, all in the URL", async () => {
    const db = world();
    const { user, url } = open(`/documents/${ids(db).document("house-manual.pdf").id}`, db);
    await user.click(await screen.findByRole("button", { name: /Waste/ }));
    expect(url()).toMatch(/at=\d+/);
    await user.click(screen.getByRole("button", { name: "Show passages" }));
    expect(await screen.findByText(/^passage 1 ·/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "About" }));
    const about = screen.getByRole("complementary", { name: "About this document" });
    expect(about).toHaveTextContent("English");
    expect(url()).toMatch(/chunks=1.*about=1/);
  });

  it("that was scanned says that OCR read it and may be wrong, beside the original", async () => {
    const db = world();
    const row = ids(db).document("house-manual.pdf");
    for (const one of row.chunks) one.position = { ...one.position, ocr: true };
    open(`/documents/${row.id}?about=1`, db);
    expect(await screen.findByText(/Read by OCR: all of it\. OCR may misread/)).toBeVisible();
    expect(screen.getByRole("button", { name: "Check the original" })).toBeVisible();
    expect(screen.getByRole("complementary", { name: "About this document" })).toHaveTextContent(
      "Read by OCRall of it",
    );
  });

  it("names the pages that OCR read, as far as it looked", () => {
    const at = (page: number | null, ocr: boolean) => ({ page, position: ocr ? { ocr } : {} });
    expect(readByOcr([at(1, false), at(2, false)], true)).toBeNull();
    expect(readByOcr([at(1, false), at(4, true), at(3, true), at(3, true)], true)).toBe("pages 3 and 4");
    expect(readByOcr([at(null, true), at(null, false)], true)).toBe("some of it");
    expect(readByOcr([at(1, true)], false)).toBe("some of it");
  });

  it("tells the times that the file gives of itself as such, in words", async () => {
    const db = world();
    const row = ids(db).document("house-manual.pdf");
    row.metadata = { modified: "2026-11-24T02:51:20" };
    open(`/documents/${row.id}?about=1`, db);
    const term = await screen.findByText("Modified, says the document");
    expect(term.parentElement).toHaveTextContent("24 November 2026 at 02:51:20");
  });

  it("loads a long text only around the place", async () => {
    const db = world();
    const row = ids(db).document("wall-survey-complete.pdf");
    const target = row.chunks.find((c) => c.heading_path[0] === "Chapter 30");
    open(`/documents/${row.id}?chunk=${target?.id}`, db);
    expect(await screen.findByText("Chapter 30", { selector: "p" })).toBeVisible();
    expect(screen.queryByText("Chapter 2", { selector: "p" })).not.toBeInTheDocument();
    expect(screen.getByLabelText("Earlier text")).toBeInTheDocument();
    expect(screen.getByLabelText("Later text")).toBeInTheDocument();
  });

  it("that failed says why and what to do", async () => {
    const db = world();
    open(`/documents/${ids(db).document("floor-plan-3.dwg.zip").id}`, db);
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent(
      "Damaged. floor-plan-3.dwg.zip is damaged: its directory ends after 14 of 52 entries.",
    );
    expect(alert).toHaveTextContent("Get a fresh copy of the file, then retry.");
    expect(within(alert).getByRole("button", { name: /Retry/ })).toBeVisible();
  });

  it("says when the passage of an old link is gone", async () => {
    const db = world();
    open(`/documents/${ids(db).document("lease-flat-7.pdf").id}?chunk=old`, db);
    expect(await screen.findByText(/The passage of this link is gone/)).toBeVisible();
    expect(await screen.findByText(/This lease is made between/)).toBeVisible();
  });

  it("from a folder cannot be deleted here, and says why", async () => {
    const db = world();
    const { user } = open(`/documents/${ids(db).document("lease-flat-7.pdf").id}?about=1`, db);
    await user.click(await screen.findByRole("button", { name: "Delete document" }));
    await user.type(screen.getByLabelText("Type “lease-flat-7.pdf” to confirm"), "lease-flat-7.pdf");
    await user.click(screen.getByRole("button", { name: "Delete document" }));
    expect(await screen.findByText(/would come back with the next sync/)).toBeVisible();
  });

  it("list is filtered by name, state and kind, and grows by pages", async () => {
    const db = world();
    const archive = db.collections.find((c) => c.name.startsWith("Archive"))?.id;
    const { user, url } = open(`/collections/${archive}`, db);
    expect(await screen.findByText("120 found")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Show 50 more" }));
    expect(await screen.findByText("100 shown of 120")).toBeVisible();
    await user.selectOptions(screen.getByRole("combobox", { name: "State" }), "Failed");
    await waitFor(() => expect(url()).toContain("state=failed"));
    await user.type(screen.getByRole("searchbox", { name: "Name contains" }), "no such file");
    await waitFor(() => expect(url()).toContain("q=no+such+file"));
    expect(await screen.findByText("No document matches these filters.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Show all documents" }));
    expect(url()).toBe(`/collections/${archive}`);
  });
});
