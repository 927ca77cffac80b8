import { type Db, tick } from "@mock/db";
import { receive } from "@mock/uploads";
import { fireEvent, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { ids, open, screen, world } from "@/test/app";
import { server } from "@/test/server";

/** jsdom's form data does not survive the way through Node's fetch: the files reach the mock's receiver directly. */
function sendFilesBesideTheWire(db: Db, files: File[]) {
  server.use(
    http.post("*/api/v1/collections/:id/uploads", async ({ params }) => {
      const collection = db.collections.find((c) => c.id === params.id);
      if (!collection) throw new Error("no such collection");
      return HttpResponse.json(await receive(db, collection, files), { status: 202 });
    }),
  );
}

describe("collections", () => {
  it("are listed with what is in them", async () => {
    open("/collections");
    const row = (await screen.findByRole("link", { name: "House and building" })).closest("tr");
    expect(row).toHaveTextContent("16 documents");
    expect(row).toHaveTextContent("9 of 16 documents indexed");
    // When its settings changed says nothing about its documents.
    expect(screen.getByRole("columnheader", { name: "Created" })).toBeVisible();
    expect(row).toHaveTextContent("3 days ago");
  });

  it("begin with a name; the draft survives a reload", async () => {
    const { user, url, db } = open("/collections/new", world("empty"));
    await user.click(await screen.findByRole("button", { name: "Create collection" }));
    expect(screen.getByText("A collection needs a name.")).toBeVisible();
    await user.type(screen.getByLabelText("Name"), "Papers");
    expect(sessionStorage.getItem("semantik.draft.collection")).toContain("Papers");
    await user.click(screen.getByRole("button", { name: "Create collection" }));
    await screen.findByRole("heading", { level: 1, name: "Papers" });
    expect(url()).toBe(`/collections/${db.collections[0]?.id}`);
    expect(await screen.findByText(/No documents yet. Drop files anywhere/)).toBeVisible();
  });

  it("say when a name is taken", async () => {
    const { user } = open("/collections/new");
    await user.type(await screen.findByLabelText("Name"), "Contracts");
    await user.click(screen.getByRole("button", { name: "Create collection" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("already a collection named “Contracts”");
  });

  it("preview how a text would be cut, and say what is wrong with a choice", async () => {
    const { user } = open("/collections/new");
    await user.click(await screen.findByText("Model and passages"));
    fireEvent(document.querySelector("details") as HTMLElement, new Event("toggle"));
    const preview = await screen.findByRole("region", { name: "Preview of passages" });
    expect(await within(preview).findByText(/Heating › Service/)).toBeVisible();
    const overlap = screen.getByLabelText("Overlap");
    await user.clear(overlap);
    await user.type(overlap, "900");
    expect(await within(preview).findByText(/An overlap of 900 tokens leaves nothing/)).toBeVisible();
  });

  it("have a ledger that adds up, each part leading to its documents", async () => {
    const db = world();
    const { user, url } = open(`/collections/${ids(db).house}`, db);
    await user.click(await screen.findByRole("link", { name: "4 failed" }));
    expect(url()).toContain("state=failed");
    await waitFor(() => expect(screen.queryByText("House manual, Linden Street 14")).not.toBeInTheDocument());
    expect(screen.getByRole("link", { name: "annual-report-2019.pdf" })).toBeVisible();
    expect(screen.getByText("4 found")).toBeVisible();
  });

  it("take many files at once, each with a fate of its own", async () => {
    const db = world();
    const house = ids(db).house;
    const files = [
      new File(["The gate closes at nine."], "gate.txt", { type: "text/plain" }),
      new File(["MZ"], "setup.exe", { type: "application/octet-stream" }),
    ];
    sendFilesBesideTheWire(db, files);
    const { user } = open(`/collections/${house}`, db);
    await user.upload(await screen.findByLabelText("Files to upload"), files);
    const uploads = await screen.findByRole("region", { name: "Uploads" });
    const line = (name: string) => within(uploads).getByText(name).closest("li");
    await waitFor(() => expect(line("setup.exe")).toHaveTextContent("setup.exe is a program, not a document."));
    await waitFor(() => expect(line("gate.txt")).toHaveTextContent("Being indexed"));
    for (let i = 0; i < 4; i += 1) tick(db);
    await waitFor(() => expect(line("gate.txt")).toHaveTextContent("Indexed"), { timeout: 6000 });
    await user.click(within(uploads).getByRole("button", { name: "Clear list" }));
    expect(screen.queryByRole("region", { name: "Uploads" })).not.toBeInTheDocument();
  });

  it("are a drop zone as a whole", async () => {
    const db = world();
    const file = new File(["x"], "dropped.txt", { type: "text/plain" });
    sendFilesBesideTheWire(db, [file]);
    open(`/collections/${ids(db).lab}`, db);
    const heading = await screen.findByRole("heading", { level: 1, name: "Lab notebooks" });
    const dataTransfer = {
      types: ["Files"],
      files: [file],
      items: [{ kind: "file", webkitGetAsEntry: () => null, getAsFile: () => file }],
    };
    fireEvent.dragEnter(heading, { dataTransfer });
    expect(screen.getByText(/Drop to add to Lab notebooks/)).toBeVisible();
    fireEvent.dragOver(heading, { dataTransfer });
    fireEvent.drop(heading, { dataTransfer });
    expect(screen.queryByText(/Drop to add/)).not.toBeInTheDocument();
    expect(await screen.findByText("dropped.txt", { selector: "li *" })).toBeVisible();
  });

  it("show a name whose marks would turn it about as it is, and say how many files were not taken", async () => {
    const db = world();
    const files = [new File(["x"], "invoice-\u202efdp.exe.txt"), new File(["MZ"], "setup.exe")];
    sendFilesBesideTheWire(db, files);
    const { user } = open(`/collections/${ids(db).lab}`, db);
    await screen.findByRole("button", { name: "Upload" });
    const input = screen.getByLabelText("Files to upload");
    await user.upload(input, files);
    expect(await screen.findByText("invoice-\\u202efdp.exe.txt", { selector: "li *" })).toBeVisible();
    expect(await screen.findByRole("heading", { name: "1 file uploaded, 1 not" })).toBeVisible();
  });

  it("are renamed, and deleted only by who types the name", async () => {
    const db = world();
    const { user, url } = open(`/collections/${ids(db).lab}/settings`, db);
    const name = await screen.findByLabelText("Name");
    await user.clear(name);
    await user.type(name, "Laboratory");
    await user.click(screen.getByRole("button", { name: "Save changes" }));
    expect(await screen.findByRole("heading", { level: 1, name: "Laboratory" })).toBeVisible();
    const remove = screen.getByRole("button", { name: "Delete collection" });
    expect(remove).toHaveAttribute("aria-disabled", "true");
    expect(remove).toHaveAccessibleDescription("The name does not match yet.");
    await user.type(await screen.findByLabelText("Type “Laboratory” to confirm"), "Laboratory");
    await user.click(remove);
    await waitFor(() => expect(url()).toBe("/collections"));
    expect(await screen.findByText("“Laboratory” is being deleted.")).toBeVisible();
    await waitFor(() => expect(screen.queryByRole("link", { name: "Laboratory" })).not.toBeInTheDocument());
  });

  it("come in from one file, or say why not", async () => {
    const { user } = open("/collections");
    await screen.findByRole("heading", { level: 1, name: "Collections" });
    const input = screen.getByLabelText("Bundle to import");
    const answer = (body: object, status: number) =>
      server.use(http.post("*/api/v1/collections/import", () => HttpResponse.json(body, { status })));
    answer({ code: "archive_damaged", detail: "the file is no archive of Semantik", status: 422 }, 422);
    await user.upload(input, new File(["x"], "holiday.jpg"));
    expect(await screen.findByText(/no archive of Semantik/)).toBeVisible();
    answer({ job_id: "job-1" }, 202);
    await user.upload(input, new File(["x"], "Papers.semantik-collection"));
    expect(await screen.findByText("The collection is listed once all of it is here.")).toBeVisible();
    expect(screen.getByRole("link", { name: "Watch" })).toHaveAttribute("href", "/jobs/job-1");
  });

  it("that are gone say so", async () => {
    open("/collections/none");
    expect(await screen.findByRole("alert")).toHaveTextContent("There is no such collection.");
  });
});
