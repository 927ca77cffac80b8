import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { ids, open, screen, world } from "@/test/app";
import { lines } from "./use-sources";

describe("sources", () => {
  it("read patterns one a line", () => {
    expect(lines(" **/*.pdf \n\n drafts/** ")).toEqual(["**/*.pdf", "drafts/**"]);
  });

  it("show where documents come from and start a sync", async () => {
    const db = world();
    const { user } = open(`/collections/${ids(db).house}/sources`, db);
    expect(await screen.findByText("/srv/documents/linden-street")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Sync now" }));
    expect(await screen.findByText("Sync started.")).toBeVisible();
    expect(db.jobs[0]?.title).toBe("Sync “linden-street”");
  });

  it("are added, with the server's refusal beside the field", async () => {
    const db = world();
    const { user, url } = open(`/collections/${ids(db).lab}/sources/new`, db);
    await user.click(await screen.findByRole("button", { name: "Add and index" }));
    expect(screen.getByText("Say which folder to read.")).toBeVisible();
    await user.type(screen.getByLabelText("Folder"), "/etc");
    await user.click(screen.getByRole("button", { name: "Add and index" }));
    expect(await screen.findByText(/\/etc lies outside of the allowed folders/)).toBeVisible();
    expect(screen.getByLabelText("Folder")).toHaveAttribute("aria-invalid", "true");
    await user.clear(screen.getByLabelText("Folder"));
    await user.type(screen.getByLabelText("Folder"), "/srv/new/shelf");
    await user.type(screen.getByLabelText("Only these files optional"), "**/*.pdf");
    await user.click(screen.getByRole("button", { name: "Add and index" }));
    await waitFor(() => expect(url()).toBe(`/collections/${ids(db).lab}/sources`));
    expect(db.sources.at(-1)).toMatchObject({ name: "shelf", settings: { include: ["**/*.pdf"] } });
  });

  it("can be looked at before they are indexed", async () => {
    const db = world();
    const { user, url } = open(`/collections/${ids(db).lab}/sources/new`, db);
    await user.type(await screen.findByLabelText("Folder"), "/srv/new");
    await user.click(screen.getByRole("button", { name: "Add and preview first" }));
    expect(await screen.findByText("4 changes; 12 documents stay as they are.")).toBeVisible();
    expect(screen.getByText("misc/roof.pdf → contracts/roof.pdf")).toBeVisible();
    expect(screen.getByText("3–5 min")).toBeVisible();
    expect(screen.getByText("310–600 kB")).toBeVisible();
    expect(screen.getByText("6,100–14,000")).toBeVisible();
    expect(db.jobs.some((job) => job.title === "Sync “new”")).toBe(false);
    await user.click(screen.getByRole("button", { name: "Sync now" }));
    await waitFor(() => expect(url()).toMatch(/^\/jobs\//));
  });

  it("keep documents that are gone from the folder until somebody decides by their number", async () => {
    const db = world();
    const source = db.sources.find((one) => one.kind === "directory");
    if (!source) throw new Error("the world has a folder");
    source.held_deletions = 41;
    const { user, url } = open(`/collections/${ids(db).house}/sources`, db);
    expect(await screen.findByText(/41 documents can no longer be found here/)).toBeVisible();
    await user.click(screen.getByRole("link", { name: "Decide" }));
    expect(await screen.findByText(/The source no longer lists 41 documents/)).toBeVisible();
    expect(screen.getByRole("button", { name: "Sync, keep the 41" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Sync and delete 41 documents" }));
    await waitFor(() => expect(url()).toMatch(/^\/jobs\//));
    expect(source.held_deletions).toBeNull();
  });

  it("are changed and deleted by name", async () => {
    const db = world();
    const source = db.sources[0];
    const { user, url } = open(`/collections/${ids(db).house}/sources/${source?.id}`, db);
    const name = await screen.findByLabelText("Name optional");
    await user.clear(name);
    await user.type(name, "linden");
    await user.click(screen.getByRole("button", { name: "Save changes" }));
    await waitFor(() => expect(source?.name).toBe("linden"));
    await user.selectOptions(await screen.findByLabelText("Look for changes"), "Every hour");
    await user.type(screen.getByLabelText("Most documents optional"), "many");
    expect(screen.getByText("Write a number, or nothing.")).toBeVisible();
    await user.clear(screen.getByLabelText("Most documents optional"));
    await user.type(screen.getByLabelText("Most documents optional"), "1,000");
    await user.click(screen.getByRole("button", { name: "Save changes" }));
    await waitFor(() => expect(source).toMatchObject({ check_every_s: 3600, budget: { items: 1000 } }));
    await user.type(await screen.findByLabelText("Type “linden” to confirm"), "linden");
    await user.click(screen.getByRole("button", { name: "Delete source" }));
    await waitFor(() => expect(url()).toBe(`/collections/${ids(db).house}/sources`));
    expect(db.sources).not.toContain(source);
  });

  it("tell the next step when there are none", async () => {
    const db = world();
    db.sources = [];
    open(`/collections/${ids(db).lab}/sources`, db);
    expect(await screen.findByText(/A source is a place that is read again/)).toBeVisible();
  });
});
