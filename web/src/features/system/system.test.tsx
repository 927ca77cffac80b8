import { createJob } from "@mock/db";
import { describe, expect, it } from "vitest";
import { open, screen, world } from "@/test/app";

describe("agreement", () => {
  it("compares when asked and says what came of it", async () => {
    const { user, db } = open("/settings/about", world("full"));
    await user.click(await screen.findByRole("button", { name: "Compare" }));
    expect(await screen.findByText(/All agreed/)).toBeVisible();
    expect(screen.getByRole("link", { name: "Check that all agrees" })).toHaveAttribute(
      "href",
      `/jobs/${db.jobs.find((job) => job.kind === "doctor")?.id}`,
    );
  });
});

describe("a comparison that failed", () => {
  it("is not shown as one that found nothing", async () => {
    const db = world();
    const ended = { status: "failed", display_status: "failed", finished_at: new Date().toISOString() } as const;
    createJob(db, { kind: "doctor", title: "Check that all agrees", ...ended }, { moving: false });
    open("/settings/about", db);
    expect(await screen.findByText(/Not compared: failed/)).toBeVisible();
    expect(screen.queryByText(/All agreed/)).toBeNull();
  });
});

describe("a comparison that was completed in part", () => {
  it("is called so where it tells nothing else", async () => {
    const db = world();
    const ended = { status: "completed", display_status: "completed", outcome: "partial" } as const;
    const at = new Date().toISOString();
    createJob(db, { kind: "doctor", title: "Check that all agrees", ...ended, finished_at: at }, { moving: false });
    open("/settings/about", db);
    expect(await screen.findByText(/Not compared: completed in part/)).toBeVisible();
  });
});

describe("a comparison that was paused", () => {
  it("shows no item in hand", async () => {
    const db = world();
    const paused = { status: "paused", display_status: "paused", message: "vectors of “Contracts”" } as const;
    createJob(db, { kind: "doctor", title: "Check that all agrees", ...paused }, { moving: false });
    open("/settings/about", db);
    expect(await screen.findByText(/Waiting for its turn/)).toBeVisible();
    expect(screen.queryByText(/vectors of/)).toBeNull();
  });
});

describe("a part that is away", () => {
  it("is said on the pages of jobs, with what it means", async () => {
    const db = world();
    db.away = ["broker", "vectors"];
    open("/jobs", db);
    expect(await screen.findByText(/Workers are not told of new jobs/)).toBeVisible();
    expect(screen.getByText(/The search index does not answer/)).toBeVisible();
    expect(screen.queryByText(/Live updates are away/)).toBeNull();
  });

  it("tells workers that drain apart from workers that are gone", async () => {
    const db = world();
    db.away = ["workers"];
    for (const one of db.workers) one.state = "silent";
    const { router } = open("/jobs", db);
    expect(await screen.findByText(/No worker has been seen for a minute/)).toBeVisible();
    expect(screen.queryByText(/draining/)).toBeNull();
    const [first] = db.workers;
    if (first) first.state = "draining";
    await router.navigate("/search");
    open("/jobs", db);
    expect(await screen.findByText(/All workers are draining: resume one, or start another/)).toBeVisible();
  });
});
