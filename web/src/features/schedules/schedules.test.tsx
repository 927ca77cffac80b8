import { waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it } from "vitest";
import { open, screen, world } from "@/test/app";
import { daily, moment, paramsOf, rhythm, typed } from "./say";

beforeEach(() => sessionStorage.clear());

describe("how a rhythm reads", () => {
  it("says the common ones in words", () => {
    expect(daily("0 3 * * *")).toBe("daily at 03:00");
    expect(daily("30 6 * * 1")).toBe("Mondays at 06:30");
    expect(daily("15 * * * *")).toBe("every hour at :15");
    expect(daily("*/5 * * * *")).toBeNull();
    expect(rhythm({ cron: "*/5 * * * *", every_s: null, timezone: "UTC" })).toBe("*/5 * * * * · UTC");
    expect(rhythm({ cron: null, every_s: 300, timezone: "UTC" })).toBe("every 5 min");
  });

  it("says a moment in the schedule's own time zone", () => {
    expect(moment("2026-11-27T02:00:00Z", "Europe/Berlin")).toBe("Fri 27 Nov 03:00");
    expect(moment("2026-11-27T02:00:00Z", "Mars/Olympus")).toBe("Fri 27 Nov 02:00");
  });

  it("makes fields of what a job takes, and params of what was typed", () => {
    const fields = paramsOf({
      properties: {
        days: { type: "integer", default: 30 },
        deep: { type: "boolean", default: false },
        path: { type: "string" },
      },
      required: ["path"],
    });
    expect(fields?.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ["days", "number", false],
      ["deep", "flag", false],
      ["path", "text", true],
    ]);
    expect(typed(fields ?? [], { deep: "true", path: "/x", days: "" })).toEqual({ deep: true, path: "/x" });
    expect(paramsOf({ properties: { texts: { type: "object" } } })).toBeNull();
  });
});

describe("schedules", () => {
  it("show when next, and how the last run ended", async () => {
    const { user, url } = open("/jobs/schedules");
    const row = (await screen.findByRole("link", { name: "Clean up old jobs" })).closest("tr") as HTMLElement;
    expect(within(row).getByText("daily at 03:00 · UTC")).toBeVisible();
    expect(within(row).getByText("Completed")).toBeVisible();
    await user.click(within(row).getByRole("link"));
    expect(url()).toMatch(/^\/jobs\/schedules\//);
    expect(await screen.findByText("Ran; the job was deleted since")).toBeVisible();
    expect(screen.getAllByText(/03:00$/).length).toBeGreaterThanOrEqual(5);
  });

  it("say of each time that came whether its job was completed in part", async () => {
    const db = world();
    const schedule = db.schedules[0]?.id ?? "";
    db.runs[schedule] = [{ fire_at: "2026-11-24T03:00:00Z", job_id: "j", status: "completed", outcome: "partial" }];
    open(`/jobs/schedules/${schedule}`, db);
    const row = (await screen.findByRole("link", { name: "Tue 24 Nov 03:00" })).closest("tr") as HTMLElement;
    expect(within(row).getByText("Completed in part")).toBeVisible();
  });

  it("are made from a kind and a rhythm, with the next runs in sight", async () => {
    const db = world();
    const { user, url } = open("/jobs/schedules/new", db);
    await user.click(await screen.findByRole("button", { name: "Create schedule" }));
    expect(screen.getByText("Give it a name.")).toBeVisible();
    await user.type(screen.getByRole("textbox", { name: "Name" }), "Tidy up");
    await user.selectOptions(screen.getByRole("combobox", { name: "What it starts" }), "Clean up jobs");
    await user.type(screen.getByRole("textbox", { name: /Keep days/ }), "7");
    const cron = screen.getByRole("textbox", { name: "Cron" });
    await user.clear(cron);
    await user.type(cron, "nonsense");
    expect(await screen.findByText(/is not a cron expression that ever comes true/)).toBeVisible();
    await user.clear(cron);
    await user.type(cron, "0 4 * * 1");
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    await waitFor(() => expect(url()).toBe(`/jobs/schedules/${db.schedules.at(-1)?.id}`));
    expect(db.schedules.at(-1)).toMatchObject({
      name: "Tidy up",
      params: { keep_days: 7 },
      cron: "0 4 * * 1",
      overlap: "skip",
    });
  });

  it("sync a source that is picked by its collection and name", async () => {
    const db = world();
    const shelf = db.sources.find(({ name }) => name === "contracts");
    const { user, url } = open("/jobs/schedules/new", db);
    await user.type(await screen.findByRole("textbox", { name: "Name" }), "Contracts at four");
    await user.selectOptions(screen.getByRole("combobox", { name: "What it starts" }), "Ingest source");
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    expect(screen.getByText("Choose a source.")).toBeVisible();
    await screen.findByRole("option", { name: "Contracts" });
    await user.selectOptions(screen.getByRole("combobox", { name: "Collection" }), "Contracts");
    await screen.findByRole("option", { name: "contracts" });
    await user.selectOptions(screen.getByRole("combobox", { name: "Source" }), "contracts");
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    await waitFor(() => expect(url()).toBe(`/jobs/schedules/${db.schedules.at(-1)?.id}`));
    expect(db.schedules.at(-1)?.params).toMatchObject({ source_id: shelf?.id });
  });

  it("are paused, run now, changed and deleted", async () => {
    const db = world();
    const schedule = db.schedules[0];
    const { user, url } = open(`/jobs/schedules/${schedule?.id}`, db);
    await user.click(await screen.findByRole("button", { name: "Run now" }));
    expect(await screen.findByText("“Clean up old jobs” runs now.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Run now" }));
    expect(await screen.findByText(/has not ended. Wait for it/)).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Pause" }));
    expect(await screen.findByRole("button", { name: "Resume" })).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Change" }));
    await user.selectOptions(screen.getByRole("combobox", { name: "Rhythm" }), "Every so many minutes");
    await user.clear(screen.getByRole("textbox", { name: "Minutes" }));
    await user.type(screen.getByRole("textbox", { name: "Minutes" }), "5");
    await user.click(screen.getByRole("button", { name: "Save schedule" }));
    await waitFor(() => expect(schedule).toMatchObject({ every_s: 300, cron: null }));
    await user.click(screen.getByRole("button", { name: "Delete" }));
    await user.type(screen.getByRole("textbox", { name: /Type “Clean up old jobs”/ }), "Clean up old jobs");
    await user.click(screen.getByRole("button", { name: "Delete schedule" }));
    await waitFor(() => expect(url()).toBe("/jobs/schedules"));
    expect(db.schedules).toHaveLength(1);
  });

  it("that is unknown says so", async () => {
    open("/jobs/schedules/none");
    expect(await screen.findByRole("alert")).toHaveTextContent("There is no such schedule.");
  });
});
