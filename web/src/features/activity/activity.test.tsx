import { briefOut } from "@mock/handlers/jobs";
import { waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Job, JobEvent } from "@/api/types";
import { ids, open, screen, socketWith, world } from "@/test/app";
import { layered } from "./layers";
import { counters, elapsed, eventDetail, offReasons, pace, story, sum, under } from "./say";

const event = (seq: number, type: string, given: Partial<JobEvent> = {}): JobEvent => ({
  type,
  seq,
  job_id: "j",
  level: "info",
  metadata: {},
  text: "",
  ...given,
});

describe("how a job speaks", () => {
  const job = ids(world()).job("running") as Job;
  it("says its pace only while it runs", () => {
    expect(pace(job)).toMatch(/6,120 of 10,000 · 5\.1\/s · about 13 min left/);
    expect(pace({ ...job, status: "paused" })).toBe("6,120 of 10,000");
    expect(pace({ ...job, counts: { ...job.counts, total: null } })).toContain("6,120 done");
  });

  it("says that nothing had changed instead of 0 of 0", () => {
    const counts = { total: 0, done: 0, failed: 0, skipped: 0, quarantined: 0 };
    const sync: Job = { ...job, status: "completed", counts, result: { listed: 14, added: 0, deleted: 0 } };
    expect(pace(sync)).toBe("Nothing had changed");
    expect(pace({ ...sync, result: { listed: 14, moved: 1, deleted: 2 } })).toBe("1 moved, 2 deleted");
    expect(pace({ ...sync, result: { listed: 0 } })).toBe("The source is empty");
    expect(pace({ ...sync, kind: "purge_jobs", result: null })).toBe("Nothing to do");
  });

  it("names the file in hand only while it works", () => {
    const at = { ...job, message: "vibration-p2.csv" };
    expect(under(at)).toBe("vibration-p2.csv");
    expect(under({ ...at, status: "completed" })).toBe("Ingest source");
    expect(under({ ...at, status: "failed", error: { code: "gone", message: "the folder is gone" } })).toBe(
      "the folder is gone",
    );
  });

  it("says a reason once for all the verbs it stops, and not at all when it is only that the job ended", () => {
    const off = { pause: "it is completed", cancel: "it is completed", "retry-failed": "no item failed" };
    const ended: Job = { ...job, status: "completed", allowed: ["delete"], why_not: off };
    expect(offReasons(ended)).toEqual([
      ["it is completed", ["pause", "cancel"]],
      ["no item failed", ["retry-failed"]],
    ]);
    expect(offReasons({ ...ended, why_not: { pause: "it is completed", cancel: "it is completed" } })).toEqual([]);
  });

  it("leaves out progress that tells nothing", () => {
    const told = story([
      event(1, "job.created"),
      event(2, "job.progress"),
      event(3, "job.completed"),
      event(4, "job.progress", { message: "a.pdf" }),
    ]);
    expect(told.map((e) => e.seq)).toEqual([4, 3, 1]);
  });

  it("sums what runs, leaving out what knows no total", () => {
    expect(sum([job])).toBeCloseTo(61.2);
    expect(sum([{ ...job, counts: { ...job.counts, total: null } }])).toBeNull();
  });

  it("measures from start to end, or to now", () => {
    const started_at = "2026-11-24T10:00:00Z";
    expect(elapsed({ ...job, started_at, finished_at: "2026-11-24T10:01:00Z" }, 0)).toBe(60);
    expect(elapsed({ ...job, started_at, finished_at: null }, Date.parse("2026-11-24T10:00:05Z"))).toBe(5);
    expect(elapsed({ ...job, started_at: null }, 0)).toBeNull();
  });

  it("tells its story newest first, once, without the noise of progress", () => {
    const told = story([
      event(1, "job.created"),
      event(2, "job.progress", { message: "a.pdf" }),
      event(3, "job.progress", { message: "b.pdf" }),
      event(3, "job.progress", { message: "b.pdf" }),
      event(4, "job.completed"),
    ]);
    expect(told.map((e) => e.seq)).toEqual([4, 3, 1]);
    expect(story([event(1, "job.log"), event(2, "item.failed")])).toEqual([]);
    expect(eventDetail(event(1, "job.progress", { counts: { total: 3, done: 1, failed: 1 } }))).toBe(
      "2 of 3 items · 1 failed",
    );
    expect(eventDetail(event(1, "job.paused", { progress: 41.7 }))).toBe("42 %");
    expect(eventDetail(event(1, "job.completed", { counts: { total: 3, done: 3 } }))).toBe("");
  });

  it("counts by status in the order of a job's life", () => {
    expect(counters({ failed: 1, running: 2, queued: 0 }).map((c) => c.key)).toEqual(["running", "failed"]);
  });
});

describe("a dependency graph", () => {
  const node = (job_id: string) => ({
    job_id,
    title: job_id,
    kind: "k",
    status: "queued" as const,
    outcome: null,
  });
  const edge = (waited_for: string, waits: string) => ({ waited_for, waits, on_end: "success" });

  it("puts each job to the right of all it waits for", () => {
    const placed = layered({
      nodes: ["body", "a", "b", "tail"].map(node),
      edges: [edge("a", "body"), edge("b", "body"), edge("body", "tail"), edge("a", "tail")],
    });
    expect(Object.fromEntries(placed.map(({ id, column, row }) => [id, [column, row]]))).toEqual({
      a: [0, 0],
      b: [0, 1],
      body: [1, 0],
      tail: [2, 0],
    });
  });

  it("ends even where jobs wait in a circle", () => {
    expect(layered({ nodes: [node("a"), node("b")], edges: [edge("a", "b"), edge("b", "a")] })).toHaveLength(2);
  });
});

describe("the jobs page", () => {
  it("lists jobs with progress and narrows by status, in the URL", async () => {
    const { user, url } = open("/jobs");
    const row = (await screen.findByRole("link", { name: "Sync “cabinets”" })).closest("tr") as HTMLElement;
    expect(within(row).getByRole("progressbar")).toHaveAttribute("aria-valuenow", "61");
    await user.click(screen.getByRole("button", { name: "1 failed" }));
    expect(url()).toBe("/jobs?status=failed");
    await waitFor(() => expect(screen.queryByRole("link", { name: "Sync “cabinets”" })).not.toBeInTheDocument());
    expect(screen.getByText(/permission denied/)).toBeVisible();
    await user.selectOptions(screen.getByRole("combobox", { name: "Collection" }), "Contracts");
    expect(await screen.findByText("No job matches these filters.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Show all jobs" }));
    expect(url()).toBe("/jobs");
  });

  it("acts on all that the filter shows, after asking once more", async () => {
    const { user, db } = open("/jobs?status=failed");
    await user.click(await screen.findByRole("button", { name: "Delete 1" }));
    expect(screen.getByText(/Delete 1 job\?/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Leave them" }));
    await user.click(await screen.findByRole("button", { name: "Retry 1" }));
    await user.click(screen.getByRole("button", { name: "Retry 1 job" }));
    expect(await screen.findByText("1 job changed.")).toBeVisible();
    expect(db.jobs.some((job) => job.status === "failed")).toBe(false);
  });

  it("sets the priority of all that the filter shows", async () => {
    const { user, db } = open("/jobs?kind=report");
    await user.click(await screen.findByRole("button", { name: "Change priority 1" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Priority" }), "9, last");
    await user.click(screen.getByRole("button", { name: "Set for 1 job" }));
    await waitFor(() => expect(db.jobs.find((job) => job.kind === "report")?.priority).toBe(9));
  });

  it("is summed by the line at the top, which leads to it", async () => {
    const { user, url } = open("/collections");
    await user.click(await screen.findByRole("link", { name: "1 job running, 61 %" }));
    expect(url()).toBe("/jobs");
  });

  it("explains itself when it is empty", async () => {
    open("/jobs", world("empty"));
    expect(await screen.findByText(/No jobs yet/)).toBeVisible();
  });
});

describe("whether the pages of jobs follow by themselves", () => {
  it("is said above", async () => {
    socketWith([]);
    open("/jobs");
    expect(await screen.findByText("Live")).toBeVisible();
  });

  it("is denied while live updates are away, on the page of workers too", async () => {
    const db = world();
    db.away = ["redis"];
    socketWith([]);
    open("/jobs/workers", db);
    expect(await screen.findByText(/Live updates are away/)).toBeVisible();
    expect(await screen.findByText("Not live")).toBeVisible();
    expect(screen.queryByText("Live")).toBeNull();
  });
});

describe("a run", () => {
  it("stays on the screen when the snapshot of the live socket comes", async () => {
    const db = world();
    const job = ids(db).job("running");
    socketWith(db.jobs.map((row) => briefOut(row)));
    open(`/jobs/${job.id}?tab=details`, db);
    expect(await screen.findByRole("heading", { name: job.title })).toBeVisible();
    await waitFor(() => expect(screen.getByText("Parameters")).toBeVisible());
    expect(screen.queryByText("This page could not be shown")).toBeNull();
  });

  it("counts as attempts what the tab lists, and says which of them count towards the limit", async () => {
    const db = world();
    const job = ids(db).job("completed", "partial");
    Object.assign(job, { attempt: 1, max_attempts: 5, losses: 1 });
    const { user } = open(`/jobs/${job.id}`, db);
    const tab = await screen.findByRole("link", { name: /^Attempts\s*2$/ });
    await user.click(tab);
    expect(await screen.findAllByRole("row")).toHaveLength(3);
    await user.click(screen.getByRole("link", { name: "Details" }));
    const fact = (await screen.findByText("Attempts that count")).parentElement;
    expect(fact).toHaveTextContent("1 of 5 · 1 lost worker");
  });

  it("shows no item in hand once it rests", async () => {
    const db = world();
    const job = ids(db).job("running");
    for (const status of ["paused", "cancelled"] as const) {
      Object.assign(job, { status, display_status: status, message: "b.pdf", moving: false });
      const { router } = open(`/jobs/${job.id}`, db);
      await screen.findByRole("heading", { name: job.title });
      expect(screen.queryByText(/now:/)).toBeNull();
      expect(screen.queryByText("b.pdf")).toBeNull();
      await router.navigate("/search");
    }
  });

  it("is paused, and says why other verbs are off", async () => {
    const db = world();
    const job = ids(db).job("running");
    const { user } = open(`/jobs/${job.id}`, db);
    expect(await screen.findByText(/now: 2004\/cabinet-3/)).toBeVisible();
    await user.click(screen.getByText("What cannot be done now, and why"));
    expect(screen.getByText("The job is not paused.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Pause" }));
    await waitFor(() => expect(job.status).toBe("pausing"));
    expect(await screen.findByText("Pausing")).toBeVisible();
  });

  it("tells its timeline, its failed items, its attempts and its details", async () => {
    const db = world();
    const { user, url } = open(`/jobs/${ids(db).job("completed", "partial").id}`, db);
    expect(await screen.findByText(/Worker embedded-1 was lost/)).toBeVisible();
    await user.click(screen.getByRole("link", { name: /Failed items/ }));
    expect(await screen.findByRole("link", { name: "scans/wall-survey.tiff" })).toHaveAttribute("href", "/documents/c");
    expect(screen.getByText(/Reader crashed. The reader died three times/)).toBeVisible();
    await user.click(screen.getByRole("link", { name: /Attempts/ }));
    expect(await screen.findByText("lease lost")).toBeVisible();
    expect(screen.getByText(/One lease was lost and taken back./)).toBeVisible();
    await user.click(screen.getByRole("link", { name: "Details" }));
    expect(await screen.findByText(/embedded_chunks/)).toBeVisible();
    expect(url()).toContain("tab=details");
  });

  it("tells its log, narrowed by level in the URL", async () => {
    const db = world();
    const { user, url } = open(`/jobs/${ids(db).job("completed", "partial").id}?tab=log`, db);
    expect(await screen.findByText("14 files listed in 0.2 s")).toBeVisible();
    await user.selectOptions(screen.getByRole("combobox", { name: "Level" }), "Warnings and errors");
    await waitFor(() => expect(screen.queryByText("14 files listed in 0.2 s")).not.toBeInTheDocument());
    expect(await screen.findByText(/floor-plan-3.dwg.zip: its directory ends/)).toBeVisible();
    expect(url()).toContain("level=warning");
  });

  it("gives a single failed item another try", async () => {
    const db = world();
    const job = ids(db).job("completed", "partial");
    const { user } = open(`/jobs/${job.id}?tab=items`, db);
    await user.click(await screen.findByRole("button", { name: "Retry scans/wall-survey.tiff" }));
    expect(await screen.findByRole("link", { name: "tried again" })).toBeVisible();
    expect(job.items.filter((item) => item.retried_in)).toHaveLength(1);
  });

  it("leads to the job that took its failed items over", async () => {
    const db = world();
    const job = ids(db).job("completed", "partial");
    job.allowed = [...job.allowed, "retry-failed"];
    const { user } = open(`/jobs/${job.id}`, db);
    await user.click(await screen.findByRole("button", { name: "Retry failed items" }));
    expect(await screen.findByText("Its failed items are tried again in a new job.")).toBeVisible();
    const made = db.jobs.find((one) => one.parent_id === job.id);
    const notice = (await screen.findByText("It, or what failed in it, was tried again in:")).parentElement;
    expect(within(notice as HTMLElement).getByRole("link", { name: job.title })).toHaveAttribute(
      "href",
      `/jobs/${made?.id}`,
    );
  });

  it("shows who waits for whom", async () => {
    const db = world();
    const compare = db.jobs.find((job) => job.kind === "compare");
    const { user, url } = open(`/jobs/${compare?.id}`, db);
    await user.click(await screen.findByRole("link", { name: "Graph" }));
    const graph = await screen.findByRole("region", { name: "Jobs that wait for each other" });
    expect(within(graph).getByRole("link", { name: "Compare both readings" })).toHaveAttribute("aria-current", "true");
    await user.click(within(graph).getByRole("link", { name: "Read with the old model" }));
    expect(url()).toContain("tab=graph");
    expect(await screen.findByRole("heading", { name: "Read with the old model" })).toBeVisible();
  });

  it("says of those around it which were completed in part", async () => {
    const db = world();
    const first = db.jobs.find((job) => job.title === "Read with the old model");
    const { nodes } = db.graphs[first?.id ?? ""] ?? { nodes: [] };
    for (const node of nodes) if (node.job_id === first?.id) node.outcome = "partial";
    first?.repeated_in.push({ job_id: "again", title: "Read it again", status: "completed", outcome: "partial" });
    open(`/jobs/${first?.id}?tab=graph`, db);
    const graph = await screen.findByRole("region", { name: "Jobs that wait for each other" });
    const node = within(graph).getByRole("link", { name: "Read with the old model" }).closest("li") as HTMLElement;
    expect(within(node).getByText("Completed in part")).toBeVisible();
    const again = screen.getByRole("link", { name: "Read it again" }).closest("li") as HTMLElement;
    expect(within(again).getByText("Completed in part")).toBeVisible();
  });

  it("changes its place in the queue, and says when its checkpoint may go", async () => {
    const db = world();
    const running = ids(db).job("running");
    running.checkpoint = {
      ...running.checkpoint,
      updated: new Date().toISOString(),
      current_index: 6120,
      total_items: 10_000,
    };
    running.correlation_id = "0199f00d";
    const { user } = open(`/jobs/${running.id}?tab=details`, db);
    await user.selectOptions(await screen.findByRole("combobox", { name: "Priority" }), "0, first");
    await waitFor(() => expect(running.priority).toBe(0));
    expect(screen.getByText(/It does not expire/)).toBeVisible();
    expect(screen.getByText("0199f00d")).toBeVisible();
  });

  it("that ended is deleted, and the list is shown", async () => {
    const db = world();
    const job = ids(db).job("failed");
    const { user, url } = open(`/jobs/${job.id}`, db);
    await user.click(await screen.findByRole("button", { name: "Delete" }));
    await waitFor(() => expect(url()).toBe("/jobs"));
    expect(db.jobs).not.toContain(job);
  });

  it("that is unknown says so", async () => {
    open("/jobs/none");
    expect(await screen.findByRole("alert")).toHaveTextContent("There is no such job.");
  });
});
