import { expect, ids, test } from "./world";

test("jobs are live: one that is started elsewhere appears and moves by itself", async ({ world }) => {
  await world.goto("/jobs");
  await expect(world.getByText("Live", { exact: true })).toBeVisible();
  const { source } = await ids(world);
  await world.request.post(`/api/v1/sources/${source}/sync`);
  const row = world.getByRole("row").filter({ hasText: "Sync “linden-street”" }).first();
  await expect(row).toContainText(/Running|Queued/, { timeout: 10_000 });
  await expect(row).toContainText("Completed", { timeout: 15_000 });
});

test("a running job is paused and resumed, and the line at the top follows", async ({ world }) => {
  await world.goto("/jobs");
  const { job } = await ids(world);
  await world.goto(`/jobs/${job("running")}`);
  await expect(world.getByRole("link", { name: /1 job running/ })).toBeVisible();
  // The line lies over the frame and moves nothing.
  expect((await world.getByRole("navigation", { name: "Main" }).boundingBox())?.x).toBe(0);
  await world.getByRole("button", { name: "Pause" }).click();
  await expect(world.getByText("Paused", { exact: true }).first()).toBeVisible({ timeout: 10_000 });
  await expect(world.getByRole("link", { name: /job running/ })).toHaveCount(0);
  await world.getByRole("button", { name: "Resume" }).click();
  await expect(world.getByRole("link", { name: /1 job running/ })).toBeVisible({ timeout: 10_000 });
});

test("what went wrong is told item by item", async ({ world }) => {
  await world.goto("/jobs");
  const { job } = await ids(world);
  await world.goto(`/jobs/${job("completed", "partial")}`);
  await world.getByRole("link", { name: /Failed items/ }).click();
  await expect(world.getByRole("row").filter({ hasText: "scans/wall-survey.tiff" })).toContainText("Set aside");
  await world.getByRole("link", { name: /Attempts/ }).click();
  await expect(world.getByText("lease lost")).toBeVisible();
});

test("what failed for good is found across jobs and tried again", async ({ world }) => {
  await world.goto("/jobs");
  await world.getByRole("link", { name: /Dead letters/ }).click();
  await expect(world.getByRole("row").filter({ hasText: "scans/wall-survey.tiff" })).toContainText("Set aside");
  await world.getByRole("button", { name: "Retry scans/wall-survey.tiff" }).click();
  await expect(world.getByRole("row").filter({ hasText: "scans/wall-survey.tiff" })).toHaveCount(0);
  await world.getByRole("button", { name: /Retry all/ }).click();
  await expect(world.getByText("Nothing has failed for good.")).toBeVisible();
});

test("a schedule is made, seen and run at once", async ({ world }) => {
  await world.goto("/jobs/schedules");
  await world.getByRole("link", { name: "New schedule" }).click();
  await world.getByLabel("Name").fill("Tidy up on Mondays");
  await world.getByLabel("What it starts").selectOption("clean_up_jobs");
  await world.getByLabel("Cron").fill("0 4 * * 1");
  await world.getByRole("button", { name: "Create schedule" }).click();
  await expect(world.getByText("Mondays at 04:00", { exact: false })).toBeVisible();
  await world.getByRole("button", { name: "Run now" }).click();
  await world.getByRole("link", { name: "Watch" }).click();
  await expect(world.getByRole("heading", { name: "Tidy up on Mondays" })).toBeVisible();
});

test("a schedule syncs a source that is chosen by its collection and its name", async ({ world }) => {
  await world.goto("/jobs/schedules/new");
  await world.getByLabel("Name").fill("Sync the street at night");
  await world.getByLabel("What it starts").selectOption("ingest_source");
  await world.getByRole("button", { name: "Create schedule" }).click();
  await expect(world.getByText("Choose a source.", { exact: true })).toBeVisible();
  await world.getByLabel("Collection").selectOption({ label: "House and building" });
  await world.getByLabel("Source", { exact: true }).selectOption({ label: "linden-street" });
  await world.getByRole("button", { name: "Create schedule" }).click();
  await expect(world.getByRole("heading", { level: 2, name: "Sync the street at night" })).toBeVisible();
  await expect(world.getByText("Next five runs")).toBeVisible();
  await expect(world.locator("time").filter({ hasText: "03:00" })).toHaveCount(5);
});

test("a worker is drained and takes jobs again", async ({ world }) => {
  await world.goto("/jobs/workers");
  const drain = world.getByRole("button", { name: /^Drain / }).first();
  const name = String(await drain.getAttribute("aria-label")).replace("Drain ", "");
  await drain.click();
  await world.getByRole("button", { name: "Drain worker" }).click();
  const resume = world.getByRole("button", { name: `Resume ${name}` }).first();
  await expect(resume).toBeVisible();
  await expect(world.getByText("Draining", { exact: true }).first()).toBeVisible();
  await resume.click();
  await expect(world.getByRole("button", { name: `Drain ${name}` }).first()).toBeVisible();
});

test("a queue is held back, and lost leases are told", async ({ world }) => {
  await world.goto("/jobs/queues");
  const cpu = world.getByRole("row").filter({ hasText: "reading and embedding documents" });
  await cpu.getByRole("button", { name: "Pause cpu" }).click();
  await expect(cpu.getByText("Paused", { exact: true })).toBeVisible();
  await world.getByRole("link", { name: "Workers" }).click();
  await expect(world.getByText("1 lease lost, resumed in the last 7 days.")).toBeVisible();
});

test("tabs that do not fit scroll to the one that is open", async ({ world }) => {
  await world.setViewportSize({ width: 390, height: 844 });
  await world.goto("/jobs/workers");
  await expect(world.getByRole("link", { name: "Workers" })).toBeInViewport({ ratio: 0.98 });
  await world.goto("/jobs");
  await expect(world.getByRole("link", { name: "All jobs" })).toBeInViewport({ ratio: 0.98 });
});
