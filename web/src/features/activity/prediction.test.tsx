import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Job } from "@/api/types";
import { ids, open, screen, world } from "@/test/app";
import { predicted } from "./prediction";

const estimate = { minutes: [3, 4, 5], chunks: [20, 31, 48], disk_bytes: [310_000, 420_000, 600_000] };

describe("what a job was expected to take", () => {
  const job = ids(world()).job("running") as Job;

  it("is said while it runs, and set against what it took at its end", () => {
    expect(predicted({ ...job, estimate: null })).toEqual([]);
    expect(predicted({ ...job, estimate })[0]).toBe("Predicted 3–5 min.");
    const ended = { ...job, status: "completed" as const, estimate, spent: { minutes: 250 / 60, chunks: 35 } };
    expect(predicted(ended)).toEqual([
      "Predicted 3–5 min, took 4 min 10 s.",
      "Predicted 20–48 passages, came to 35 passages.",
      "Predicted 310–600 kB.",
    ]);
  });
});

describe("a job that its budget paused", () => {
  it("says why, and goes on with a higher limit", async () => {
    const db = world();
    const job = db.jobs.find((one) => one.status === "running");
    if (!job) throw new Error("the seed has a running job");
    Object.assign(job, {
      status: "paused",
      display_status: "paused",
      paused_by: "budget",
      moving: false,
      allowed: ["resume", "cancel"],
      budget: { tokens: 1000 },
      spent: { tokens: 980, items: 3 },
      message:
        "980 of the 1,000 tokens of its budget are used, and the next step needs about 100. Raise the budget, then resume.",
    });
    const { user } = open(`/jobs/${job.id}`, db);
    expect(await screen.findByText(/980 of the 1,000 tokens of its budget are used/)).toBeVisible();
    const field = screen.getByLabelText("New limit of tokens");
    await user.clear(field);
    await user.type(field, "500");
    expect(screen.getByText("Write more than 1,000.")).toBeVisible();
    await user.clear(field);
    await user.type(field, "5,000");
    await user.click(screen.getByRole("button", { name: "Raise and resume" }));
    await waitFor(() => expect(job.budget).toEqual({ tokens: 5000 }));
    await waitFor(() => expect(job.status).not.toBe("paused"));
  });
});
