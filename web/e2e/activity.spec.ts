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
