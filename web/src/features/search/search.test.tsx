import { waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { ids, open, screen, world } from "@/test/app";
import { server } from "@/test/server";
import { marked } from "./why";

describe("search", () => {
  it("asks what the box says, keeps it in the URL and marks the matched words", async () => {
    const { user, url } = open("/search");
    const box = await screen.findByRole("searchbox", { name: "Search your documents" });
    await user.type(box, "how is the boiler serviced{Enter}");
    expect(url()).toBe("/search?q=how+is+the+boiler+serviced");
    const list = await screen.findByRole("list", { name: "" });
    const first = within(list).getAllByRole("listitem")[0];
    expect(first).toHaveTextContent(/boiler/);
    expect(first?.querySelector("mark")).toHaveTextContent(/boiler/i);
  });

  it("says why a passage is there, in plain language", async () => {
    const { user } = open("/search?q=error+E04");
    await user.click((await screen.findAllByRole("button", { name: "why?" }))[0] as HTMLElement);
    const why = screen
      .getAllByText("By meaning")
      .find((e) => e.tagName === "DT")
      ?.closest("dl");
    expect(why).toHaveTextContent("1st of all passages");
    expect(why).toHaveTextContent("Meaning counts 58 %, words 42 %.");
  });

  it("names a matched code once, as it is marked", () => {
    const passage = { text: "🔥 E-417: see e-417, then the pump.", start: 0, end: 34 };
    const highlights = [
      { start: 2, end: 7 },
      { start: 13, end: 18 },
      { start: 29, end: 33 },
    ];
    expect(marked({ passage, highlights })).toEqual(["E-417", "pump"]);
  });

  it("says above weak hits that they hardly answer, and not above good ones", async () => {
    const { user } = open("/search?q=boiler+zeppelin+quark+yodel+fjord+lute+gnome+axiom+onyx+plinth+sonnet");
    expect(await screen.findByText(/Probably nothing here answers the question/)).toHaveTextContent(/0\.0\d of 1/);
    const box = screen.getByRole("searchbox", { name: "Search your documents" });
    await user.clear(box);
    await user.type(box, "boiler{Enter}");
    await waitFor(() => expect(screen.queryByText(/Probably nothing here/)).not.toBeInTheDocument());
    expect((await screen.findAllByRole("listitem")).length).toBeGreaterThan(0);
  });

  it("leads to the document, at the passage, with the way back", async () => {
    const { user, url } = open("/search?q=filter+pressure");
    await user.click(await screen.findByRole("link", { name: "House manual, Linden Street 14" }));
    expect(url()).toMatch(/^\/documents\/[\w-]+\?chunk=[\w-]+&marks=\d+-\d+/);
    await user.click(await screen.findByRole("link", { name: /Back to results/ }));
    expect(url()).toBe("/search?q=filter+pressure");
  });

  it("opens the other passages of a document in place", async () => {
    const { user } = open("/search?q=boiler");
    await user.click((await screen.findAllByRole("button", { name: /more passage/ }))[0] as HTMLElement);
    const others = await screen.findByRole("list", { name: /More passages of/ });
    expect(within(others).getAllByRole("listitem").length).toBeGreaterThan(0);
  });

  it("narrows by collection and filters, and offers a way out when nothing is left", async () => {
    const { user, url } = open("/search?q=boiler");
    await screen.findAllByRole("listitem");
    await user.selectOptions(screen.getByRole("combobox", { name: "Search in" }), "Contracts");
    await waitFor(() => expect(url()).toContain("in="));
    expect(await screen.findByText(/No passage matches “boiler” in this collection/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Search everything without filters" }));
    expect(url()).toBe("/search?q=boiler");
    await user.click(screen.getByRole("button", { name: "Filter" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Language" }), "German");
    await waitFor(() => expect(url()).toContain("language=de"));
    expect(await screen.findByText(/No passage matches “boiler” within these filters/)).toBeVisible();
    await user.selectOptions(screen.getByRole("combobox", { name: "Rank by" }), "By words");
    expect(url()).toContain("mode=sparse");
  });

  it("offers the choice of collections once, and ticks several when asked", async () => {
    const db = world();
    const { house, lab } = ids(db);
    const { user, url } = open("/search?q=boiler", db);
    await user.click(await screen.findByRole("button", { name: "Filter" }));
    expect(screen.queryByRole("checkbox")).toBeNull();
    const scope = screen.getByRole("combobox", { name: "Search in" });
    await user.selectOptions(scope, "Several…");
    await user.click(screen.getByRole("checkbox", { name: "House and building" }));
    await user.click(screen.getByRole("checkbox", { name: "Lab notebooks" }));
    expect(url()).toBe(`/search?q=boiler&in=${house}%2C${lab}`);
    expect(scope).toHaveDisplayValue("2 collections");
    await user.selectOptions(scope, "All collections");
    expect(screen.queryByRole("checkbox")).toBeNull();
    expect(url()).toBe("/search?q=boiler");
  });

  it("shows source code and structured text as it stands, prose not", async () => {
    const db = world();
    const manual = ids(db).document("house-manual.pdf");
    const { router } = open("/search?q=boiler", db);
    const passage = async () => (await screen.findAllByText("boiler", { selector: "mark" }))[0]?.closest("p");
    expect((await passage())?.className).not.toMatch(/code/);
    for (const row of db.documents) row.media_type = "text/x-source";
    expect(manual.media_type).toBe("text/x-source");
    await router.navigate("/jobs");
    open("/search?q=boiler", db);
    await waitFor(async () => expect((await passage())?.className).toMatch(/code/));
  });

  it("shows the lines of a PDF as a paragraph, with its marks on the words", async () => {
    const db = world();
    const chunk = ids(db)
      .document("house-manual.pdf")
      .chunks.find(({ text }) => text.includes("serviced every October"));
    const whole = chunk?.text ?? "";
    if (chunk) chunk.text = whole.replace(/(.{40,50}) /g, "$1\n");
    expect(chunk?.text.match(/\n/g)?.length).toBeGreaterThan(3);
    open("/search?q=serviced+October+burner", db);
    const passage = (await screen.findAllByText("burner", { selector: "mark" }))[0]?.closest("p");
    expect(passage?.textContent).toBe(whole);
    expect([...(passage?.querySelectorAll("mark") ?? [])].map((mark) => mark.textContent)).toEqual([
      "serviced",
      "October",
      "burner",
    ]);
  });

  it("shows a problem as a sentence with what to do", async () => {
    const db = world();
    server.use(
      http.post("*/api/v1/search", () =>
        HttpResponse.json(
          {
            title: "Unavailable",
            status: 503,
            code: "index_down",
            detail: "the index is being rebuilt",
            hint: "Try again in a minute",
            request_id: "r-42",
          },
          { status: 503 },
        ),
      ),
    );
    open("/search?q=boiler", db);
    server.use(
      http.post("*/api/v1/search", () =>
        HttpResponse.json(
          {
            title: "Unavailable",
            status: 503,
            code: "index_down",
            detail: "the index is being rebuilt",
            hint: "Try again in a minute",
            request_id: "r-42",
          },
          { status: 503 },
        ),
      ),
    );
    const alert = await screen.findByRole("alert", {}, { timeout: 5000 });
    expect(alert).toHaveTextContent("The index is being rebuilt. Try again in a minute.");
    expect(alert).toHaveTextContent("r-42");
  });

  it("tells a newcomer the next step", async () => {
    open("/search", world("empty"));
    expect(await screen.findByText(/There is nothing to search yet/)).toBeVisible();
    expect(screen.getByRole("link", { name: "Create a collection" })).toHaveAttribute("href", "/collections/new");
  });

  it("offers tried questions where the sample is indexed, and asks one with a click", async () => {
    const { user, url } = open("/search");
    const tried = await screen.findByRole("button", { name: /What does error E04 mean/ });
    expect(tried).toHaveTextContent("a fault code, in a manual");
    expect(screen.getByText("Wann wird der Filter gewechselt?")).toHaveAttribute("lang", "de");
    await user.click(tried);
    expect(url()).toBe("/search?q=What+does+error+E04+mean%3F");
    expect(await screen.findByText("E04", { selector: "mark" })).toBeVisible();
  });

  it("asks a tried question where its answer lies, when the scope would leave that out", async () => {
    const db = world();
    const { user, url } = open(`/search?in=${ids(db).lab}`, db);
    await user.click(await screen.findByRole("button", { name: /What does error E04 mean/ }));
    expect(url()).toBe(`/search?in=${ids(db).house}&q=What+does+error+E04+mean%3F`);
  });

  it("leads to a folder or an upload when the collections are empty", async () => {
    const db = world();
    db.documents = [];
    db.sources = [];
    open("/search", db);
    const [first] = db.collections;
    expect(
      await screen.findByText(`There is nothing to search yet: “${first?.name}” holds no documents.`),
    ).toBeVisible();
    expect(screen.getByRole("link", { name: "Add a folder" })).toHaveAttribute(
      "href",
      `/collections/${first?.id}/sources/new`,
    );
    expect(screen.getByRole("link", { name: "Upload files" })).toHaveAttribute("href", `/collections/${first?.id}`);
  });

  it("remembers the collection until all are chosen", async () => {
    const db = world();
    const { house } = ids(db);
    const { user, url, router } = open("/search", db);
    await screen.findByRole("option", { name: "House and building" });
    await user.selectOptions(screen.getByRole("combobox", { name: "Search in" }), "House and building");
    await router.navigate("/jobs");
    await router.navigate("/search");
    await waitFor(() => expect(url()).toBe(`/search?in=${house}`));
    await user.selectOptions(screen.getByRole("combobox", { name: "Search in" }), "All collections");
    await router.navigate("/jobs");
    await router.navigate("/search");
    await screen.findByRole("button", { name: /What does error E04 mean/ });
    expect(url()).toBe("/search");
  });

  it("shows each filter as a chip that takes it away", async () => {
    const { user, url } = open("/search?q=boiler&language=en&tag=manual&after=2020-01-02");
    const chips = await screen.findByRole("list", { name: "Filters in use" });
    expect(within(chips).getByText("after 2 Jan 2020")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Filter (3)" }));
    expect(screen.getByLabelText("Tag")).toHaveValue("manual");
    await user.click(within(chips).getByRole("button", { name: "Remove the filter tag manual" }));
    expect(url()).toBe("/search?q=boiler&language=en&after=2020-01-02");
    expect(screen.getByLabelText("Tag")).toHaveValue("");
    await user.click(within(chips).getByRole("button", { name: "Clear all" }));
    expect(url()).toBe("/search?q=boiler");
    expect(screen.queryByRole("list", { name: "Filters in use" })).not.toBeInTheDocument();
  });

  it("copies a link that opens the passage, without the way back", async () => {
    const { user } = open("/search?q=filter+pressure");
    await user.click((await screen.findAllByRole("button", { name: "Copy link" }))[0] as HTMLElement);
    expect(await screen.findByText("The link to this passage is copied.")).toBeVisible();
    const link = new URL(await navigator.clipboard.readText());
    expect(link.origin).toBe("http://semantik.test");
    expect(link.pathname).toMatch(/^\/documents\//);
    expect(link.searchParams.get("chunk")).toBeTruthy();
    expect(link.searchParams.has("from")).toBe(false);
  });

  it("is reached by / from any page, and j walks the hits", async () => {
    const { user, url } = open("/collections");
    await screen.findByRole("link", { name: "Contracts" });
    await user.keyboard("/");
    expect(url()).toBe("/search");
    const box = await screen.findByRole("searchbox", { name: "Search your documents" });
    await waitFor(() => expect(box).toHaveFocus());
    await user.type(box, "boiler{Enter}");
    const hits = await screen.findAllByRole("link", { name: /boiler|heating|manual|meeting|costs|Lease/i });
    box.blur();
    await user.keyboard("j");
    expect(hits).toContain(document.activeElement);
    await user.keyboard("jk?");
    expect(screen.getByRole("dialog", { name: "Keys" })).toBeVisible();
  });
});
