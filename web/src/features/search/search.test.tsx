import { waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { open, screen, world } from "@/test/app";
import { server } from "@/test/server";

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
