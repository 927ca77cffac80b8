import { waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { open, screen, world } from "@/test/app";

const row = async (name: string) => (await screen.findByText(name)).closest("tr") as HTMLElement;

describe("queues", () => {
  it("say how much waits, and that nobody serves one", async () => {
    open("/jobs/queues");
    expect(within(await row("cpu")).getByText("Open")).toBeVisible();
    const db = world();
    for (const worker of db.workers) worker.state = "down";
    open("/jobs/queues", db);
    expect(await screen.findByText(/1 job in maintenance waits, and no worker serves this queue/)).toBeVisible();
  });

  it("are paused and limited by an administrator", async () => {
    const db = world();
    const { user } = open("/jobs/queues", db);
    await user.click(await screen.findByRole("button", { name: "Pause cpu" }));
    expect(await within(await row("cpu")).findByText("Paused")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Limit cpu" }));
    await user.type(screen.getByRole("textbox", { name: "Most jobs of cpu at once" }), "none");
    expect(screen.getByText("A number from 1 to 10,000, or nothing.")).toBeVisible();
    await user.clear(screen.getByRole("textbox", { name: "Most jobs of cpu at once" }));
    await user.type(screen.getByRole("textbox", { name: "Most jobs of cpu at once" }), "3");
    await user.click(screen.getByRole("button", { name: "Set limit" }));
    expect(await screen.findByText("at most 3 at once")).toBeVisible();
    await waitFor(() => expect(db.queues.cpu?.max_running).toBe(3));
  });

  it("limit one kind of job, and each workspace", async () => {
    const db = world();
    const { user } = open("/jobs/queues", db);
    await user.click(await screen.findByRole("button", { name: "Limit cpu" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Jobs" }), "ingest_source");
    await user.type(screen.getByRole("textbox", { name: "Most jobs of ingest_source at once" }), "2");
    await user.type(screen.getByRole("textbox", { name: "Most of each workspace" }), "1");
    await user.click(screen.getByRole("button", { name: "Set limit" }));
    expect(await screen.findByText("ingest_source: at most 2 at once, 1 of each workspace")).toBeVisible();
    expect(db.queues.cpu?.max_running).toBeNull();
    await user.click(screen.getByRole("button", { name: "Limit cpu" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Jobs" }), "ingest_source");
    await user.clear(screen.getByRole("textbox", { name: "Most jobs of ingest_source at once" }));
    await user.click(screen.getByRole("button", { name: "Set limit" }));
    expect(await screen.findByText("ingest_source: 1 of each workspace")).toBeVisible();
  });

  it("say to everybody else why they may not", async () => {
    const db = world();
    db.user.role = "member";
    const { user } = open("/jobs/queues", db);
    const button = await screen.findByRole("button", { name: "Pause cpu" });
    expect(button).toHaveAccessibleDescription("Only an administrator may hold back a queue that everybody uses.");
    await user.click(button);
    expect(db.queues.cpu?.paused_at).toBeNull();
  });
});

describe("workers", () => {
  it("show what they run, and which fell silent", async () => {
    open("/jobs/workers");
    const first = await row("reading-room:4121:a41c09b7d2e1");
    expect(within(first).getByText("Up")).toBeVisible();
    expect(within(first).getByRole("link", { name: "Sync “cabinets”" })).toBeVisible();
    expect(within(await row("attic:880:0c5d77e1aa90")).getByText("Silent")).toBeVisible();
  });

  it("are drained and resumed by an administrator, after it was said what that does", async () => {
    const db = world();
    const { user } = open("/jobs/workers", db);
    await user.click(await screen.findByRole("button", { name: "Drain semantik-4121@reading-room" }));
    expect(screen.getByText(/Its running jobs go back to the queue, and its process takes no more/)).toBeVisible();
    expect(db.workers[0]?.drain_asked_at).toBeNull();
    await user.click(screen.getByRole("button", { name: "Drain worker" }));
    expect(await within(await row("reading-room:4121:a41c09b7d2e1")).findByText("Draining")).toBeVisible();
    await user.click(await screen.findByRole("button", { name: "Resume semantik-4121@reading-room" }));
    expect(await within(await row("reading-room:4121:a41c09b7d2e1")).findByText("Up")).toBeVisible();
    expect(db.workers[0]?.drain_asked_at).toBeNull();
  });

  it("stand with their processes, and are drained as a whole", async () => {
    const db = world();
    const { user } = open("/jobs/workers", db);
    const drain = await screen.findAllByRole("button", { name: "Drain celery@cellar" });
    expect(drain).toHaveLength(1);
    await user.click(drain[0] as HTMLElement);
    expect(screen.getByText(/its 2 processes take no more/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Leave it" }));
    expect(screen.queryByText(/its 2 processes take no more/)).toBeNull();
    await user.click(screen.getByRole("button", { name: "Drain celery@cellar" }));
    await user.click(screen.getByRole("button", { name: "Drain worker" }));
    for (const id of ["cellar:201:77c0e2", "cellar:202:1be94d"])
      expect(await within(await row(id)).findByText("Draining")).toBeVisible();
    expect(screen.getAllByRole("button", { name: "Resume celery@cellar" })).toHaveLength(1);
  });

  it("that were resumed but have not heard of it are said to be resuming", async () => {
    const db = world();
    const [first] = db.workers;
    if (first) first.state = "draining";
    open("/jobs/workers", db);
    const button = await screen.findByRole("button", { name: "Resuming semantik-4121@reading-room" });
    expect(button).toHaveAccessibleDescription(/takes jobs again once its processes have heard of it/);
  });

  it("leave out processes that stopped until they are asked for", async () => {
    const { user, url } = open("/jobs/workers");
    await row("cellar:201:77c0e2");
    expect(screen.queryByText("cellar:198:f00c31")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Show 1 that stopped" }));
    expect(within(await row("cellar:198:f00c31")).getByText("Stopped")).toBeVisible();
    expect(url()).toBe("/jobs/workers?stopped=1");
    await user.click(screen.getByRole("button", { name: "Hide 1 that stopped" }));
    expect(screen.queryByText("cellar:198:f00c31")).toBeNull();
  });

  it("are not drained by others, who are told why, nor when they are gone", async () => {
    const db = world();
    db.user.role = "member";
    open("/jobs/workers", db);
    const button = await screen.findByRole("button", { name: "Drain semantik-4121@reading-room" });
    expect(button).toHaveAccessibleDescription("Only an administrator may drain a worker that everybody uses.");
    expect(within(await row("attic:880:0c5d77e1aa90")).queryByRole("button")).toBeNull();
  });

  it("tell what became of lost leases", async () => {
    const { user, url } = open("/jobs/workers");
    expect(await screen.findByText("1 lease lost, resumed in the last 7 days.")).toBeVisible();
    const link = screen.getByRole("link", { name: "Sync “linden-street”" });
    expect(within(link.closest("tr") as HTMLElement).getByText("Completed in part")).toBeVisible();
    await user.click(link);
    expect(url()).toContain("tab=attempts");
  });

  it("may be none", async () => {
    open("/jobs/workers", world("empty"));
    expect(await screen.findByText("No lease was lost in the last 7 days.")).toBeVisible();
  });
});
