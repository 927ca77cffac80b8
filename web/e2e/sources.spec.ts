import { expect, ids, test } from "./world";

test("a folder is added after a look at the plan, then synced", async ({ world }) => {
  await world.goto("/collections");
  const { house } = await ids(world);
  await world.goto(`/collections/${house}/sources/new`);
  await world.getByLabel("Folder").fill("/srv/documents/new");
  await world.getByRole("button", { name: "Add and preview first" }).click();
  await expect(world.getByText("4 changes; 12 documents stay as they are.")).toBeVisible();
  await world.getByRole("button", { name: "Sync now" }).click();
  await expect(world.getByRole("heading", { level: 1, name: "Sync “new”" })).toBeVisible();
  await expect(world.getByText("Completed").first()).toBeVisible({ timeout: 15_000 });
});

test("a folder outside the allowed ones is refused beside its field; the draft survives a reload", async ({
  world,
}) => {
  await world.goto("/collections");
  const { house } = await ids(world);
  await world.goto(`/collections/${house}/sources/new`);
  await world.getByLabel("Folder").fill("/etc");
  await world.getByRole("button", { name: "Add and index" }).click();
  await expect(world.getByText(/\/etc lies outside of the allowed folders/)).toBeVisible();
  await world.reload();
  await expect(world.getByLabel("Folder")).toHaveValue("/etc");
});
