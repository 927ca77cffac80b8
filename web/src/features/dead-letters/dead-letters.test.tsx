import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { ids, open, screen, world } from "@/test/app";
import { tried } from "./dead-letters-tab";

describe("dead letters", () => {
  it("are failed jobs and failed items in one list, narrowed in the URL", async () => {
    const { user, url } = open("/jobs/dead-letters");
    expect(await screen.findByRole("link", { name: "Sync “notebooks”" })).toBeVisible();
    expect(screen.getByRole("link", { name: "scans/wall-survey.tiff" })).toBeVisible();
    expect(screen.getByRole("link", { name: /Dead letters\s*4/ })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "3 failed items" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: "Sync “notebooks”" })).not.toBeInTheDocument());
    await user.selectOptions(screen.getByRole("combobox", { name: "Reason" }), "Damaged (1)");
    expect(url()).toBe("/jobs/dead-letters?what=item&code=damaged");
    expect(await screen.findByRole("button", { name: "Retry these 1" })).toBeVisible();
  });

  it("get another try one by one", async () => {
    const db = world();
    const { user } = open("/jobs/dead-letters", db);
    await user.click(await screen.findByRole("button", { name: "Retry scans/wall-survey.tiff" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: "scans/wall-survey.tiff" })).not.toBeInTheDocument());
    await user.click(screen.getByRole("button", { name: "Retry Sync “notebooks”" }));
    await waitFor(() => expect(db.jobs.some((job) => job.status === "failed")).toBe(false));
  });

  it("get another try all at once, and then there is nothing", async () => {
    const db = world();
    const { user } = open("/jobs/dead-letters", db);
    await user.click(await screen.findByRole("button", { name: "Retry all 4" }));
    expect(await screen.findByText("1 job and 3 items are tried again.")).toBeVisible();
    expect(await screen.findByText("Nothing has failed for good.")).toBeVisible();
    expect(
      ids(db)
        .job("completed", "partial")
        .items.every((item) => item.retried_in),
    ).toBe(true);
  });

  it("say what could not be tried again", () => {
    expect(tried({ failed_jobs: 1, failed_items: 0, refused: 2 })).toBe(
      "1 job is tried again. 2 jobs could not be tried again.",
    );
    expect(tried({ failed_jobs: 0, failed_items: 0, refused: 0 })).toBe("There was nothing left to try.");
  });

  it("that cannot be read say so", async () => {
    open("/jobs/dead-letters", world("failing"));
    expect(await screen.findByText(/could not read its database/)).toBeVisible();
  });
});
