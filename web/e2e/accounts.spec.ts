import { expect, test } from "./world";

test.describe("on a new server", () => {
  test.use({ scenario: "fresh" });
  test("the set-up link makes the first account and leads to the first collection", async ({ world }) => {
    await world.goto("/setup#token=mock-token");
    await world.getByLabel("E-mail").fill("ada@example.org");
    await world.getByLabel("Password").fill("a quiet reading room");
    await world.getByRole("button", { name: "Create account" }).click();
    await expect(world.getByRole("link", { name: "Create a collection" })).toBeVisible();
    await expect(world).toHaveURL("/search");
  });

  test("a set-up link pasted into a tab that is open already is taken", async ({ world }) => {
    await world.goto("/setup");
    await expect(world.getByLabel("Set-up token")).toBeVisible();
    await world.goto("/setup#token=mock-token");
    await expect(world.getByLabel("Set-up token")).toHaveCount(0);
    await expect(world).toHaveURL("/setup");
  });
});

test.describe("logged out", () => {
  test.use({ scenario: "out" });
  test("one logs in and lands where one wanted to go", async ({ world }) => {
    await world.goto("/collections");
    await world.getByLabel("E-mail").fill("ada@example.org");
    await world.getByLabel("Password").fill("reading room 42");
    await world.keyboard.press("Enter");
    await expect(world.getByRole("heading", { name: "Collections" })).toBeVisible();
  });
});

test("a reload keeps the session", async ({ world }) => {
  await world.goto("/settings");
  await expect(world.getByText("ada@example.org")).toBeVisible();
  await world.reload();
  await expect(world.getByText("ada@example.org")).toBeVisible();
});

test("a chosen theme is there before the first paint", async ({ world }) => {
  await world.goto("/settings");
  await world.getByLabel("Theme").selectOption("dark");
  await world.reload({ waitUntil: "commit" });
  await expect(world.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("a key is shown once", async ({ world }) => {
  await world.goto("/settings/keys");
  await world.getByLabel("Name").fill("Nightly");
  await world.getByRole("button", { name: "Create key" }).click();
  await expect(world.getByTestId("new-key")).toContainText("sk_");
  await world.reload();
  await expect(world.getByText("Nightly")).toBeVisible();
  await expect(world.getByTestId("new-key")).toHaveCount(0);
});
