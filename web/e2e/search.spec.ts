import { expect, test } from "./world";

test("a question is asked from any page by the keyboard alone, and answered at the passage", async ({ world }) => {
  await world.goto("/jobs");
  await world.getByRole("heading", { name: "Jobs" }).waitFor();
  await world.keyboard.press("/");
  await world.keyboard.type("what does error E04 mean");
  await world.keyboard.press("Enter");
  await expect(world.getByText(/Code E04 means that the flame went out/)).toBeVisible();
  await world.getByRole("searchbox", { name: "Search your documents" }).blur();
  await world.keyboard.press("j");
  await world.keyboard.press("Enter");
  await expect(world.locator("[data-passage]").first()).toBeInViewport();
  await expect(world.locator("[data-passage]").first()).toContainText("E04");
  await world.goBack();
  await expect(world).toHaveURL(/\/search\?q=what\+does\+error\+E04\+mean/);
});

test("⌘K works also while one types elsewhere", async ({ world }) => {
  await world.goto("/collections/new");
  await world.getByLabel("Name").fill("Half a na");
  await world.keyboard.press("Control+k");
  await expect(world.getByRole("searchbox", { name: "Search your documents" })).toBeFocused();
  await world.goBack();
  await expect(world.getByLabel("Name")).toHaveValue("Half a na");
});

test("filters live in the URL and survive a reload", async ({ world }) => {
  await world.goto("/search?q=boiler");
  await world.getByRole("button", { name: "Filter" }).click();
  await world.getByLabel("Language").selectOption("de");
  await expect(world).toHaveURL(/language=de/);
  await world.reload();
  await expect(world.getByRole("button", { name: "Remove the filter German" })).toBeVisible();
  await world.getByRole("button", { name: "Filter (1)" }).click();
  await expect(world.getByLabel("Language")).toHaveValue("de");
  await world.getByRole("button", { name: "Remove the filter German" }).click();
  await expect(world).toHaveURL("/search?q=boiler");
});

test("a tried question is asked with one click or with the keyboard", async ({ world }) => {
  await world.goto("/search");
  await world.getByRole("button", { name: /What does error E04 mean/ }).focus();
  await world.keyboard.press("Enter");
  await expect(world.getByText(/Code E04 means that the flame went out/)).toBeVisible();
  await expect(world.getByRole("searchbox", { name: "Search your documents" })).toHaveValue(
    "What does error E04 mean?",
  );
});

test("the arrows lead from the box to the answers and Escape out of it", async ({ world }) => {
  await world.goto("/search?q=boiler");
  const box = world.getByRole("searchbox", { name: "Search your documents" });
  const rows = world.locator("main [data-row]");
  await rows.nth(1).waitFor();
  await box.focus();
  await world.keyboard.press("ArrowDown");
  await expect(rows.nth(0)).toBeFocused();
  await world.keyboard.press("ArrowDown");
  await expect(rows.nth(1)).toBeFocused();
  await world.keyboard.press("ArrowUp");
  await expect(rows.nth(0)).toBeFocused();
  await world.keyboard.press("/");
  await expect(box).toBeFocused();
  await world.keyboard.press("Escape");
  await expect(box).not.toBeFocused();
  await world.keyboard.press("j");
  await expect(rows.nth(0)).toBeFocused();
});

test("the link of a passage opens it in another tab", async ({ world, context, baseURL }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(baseURL ?? "").origin });
  await world.goto("/search?q=what+does+error+E04+mean");
  await world.getByRole("button", { name: "Copy link" }).first().click();
  await expect(world.getByText("The link to this passage is copied.")).toBeVisible();
  const link = await world.evaluate(() => navigator.clipboard.readText());
  const other = await context.newPage();
  await other.goto(link);
  await expect(other.locator("[data-passage]").first()).toBeInViewport();
  await expect(other.locator("[data-passage]").first()).toContainText("E04");
});

test("? shows the keys", async ({ world }) => {
  await world.goto("/search?q=boiler");
  await world.getByRole("list").first().waitFor();
  await world.getByRole("searchbox", { name: "Search your documents" }).blur();
  await world.keyboard.press("?");
  await expect(world.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await world.keyboard.press("Escape");
  await expect(world.getByRole("dialog", { name: "Keys" })).toBeHidden();
});
