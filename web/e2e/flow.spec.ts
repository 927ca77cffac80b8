/**
 * The whole road against a real server: set-up, collection, upload, job, search, passage.
 *
 * SEMANTIK_E2E_URL names a server that nobody has set up yet, SEMANTIK_E2E_SETUP_TOKEN its one-time token.
 */
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

const url = process.env.SEMANTIK_E2E_URL;
const token = process.env.SEMANTIK_E2E_SETUP_TOKEN;

test.skip(!url || !token, "the real flow needs SEMANTIK_E2E_URL and SEMANTIK_E2E_SETUP_TOKEN");
test.use({ baseURL: url });

const MANUAL = `# House manual

## Heating

The boiler in the cellar is serviced every October, before the heating season begins. The fitter changes the filter and brings the pressure back to 1.5 bar. 🔥

## Water

The main tap is in the cellar, to the right of the stairs. Turn it clockwise until it stops.
`;

test("from the first visit to the passage that answers", async ({ page }) => {
  test.setTimeout(240_000);
  const broken: string[] = [];
  page.on("pageerror", (error) => broken.push(String(error)));

  await page.goto(`/setup#token=${token}`);
  await page.getByLabel("Name").fill("Ada Vance");
  await page.getByLabel("E-mail").fill("ada@example.org");
  await page.getByLabel("Password").fill("a quiet reading room");
  await page.getByRole("button", { name: "Create account" }).click();

  await expect(page.getByText("There is nothing to search yet.")).toBeVisible();
  await page.getByRole("link", { name: "Create a collection" }).click();
  await page.getByLabel("Name").fill("House");
  await page.getByText("Model and passages").click();
  await expect(page.getByText("passages", { exact: false }).first()).toBeVisible();
  await page.getByRole("button", { name: "Create collection" }).click();
  // The first use of the model builds its graph; on a loaded machine that takes a while.
  await expect(page.getByRole("heading", { level: 1, name: "House" })).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText("No documents yet.")).toBeVisible();

  await page.getByLabel("Files to upload").setInputFiles([
    { name: "house-manual.md", mimeType: "text/markdown", buffer: Buffer.from(MANUAL) },
    { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
  ]);
  const uploads = page.getByRole("region", { name: "Uploads" });
  const row = uploads.getByRole("listitem").filter({ hasText: "house-manual.md" });
  await expect(row).toBeVisible();
  await expect(row.getByRole("link", { name: "Indexed" })).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole("link", { name: "1 indexed" })).toBeVisible({ timeout: 30_000 });

  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  const job = page
    .getByRole("row")
    .filter({ hasText: /Completed/ })
    .first();
  await expect(job).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await job.getByRole("link").click();
  await expect(page.getByRole("progressbar", { name: "Progress" })).toHaveAttribute("aria-valuenow", "100");
  await expect(page.getByRole("list").getByText("Completed").first()).toBeVisible();
  for (const tab of ["Attempts", "Details", "Failed items"]) {
    await page.getByRole("navigation", { name: "Job" }).getByRole("link", { name: tab }).click();
    await expect(page.getByRole("alert")).toHaveCount(0);
  }

  await page.keyboard.press("/");
  await page.keyboard.type("when does the fitter look after the boiler");
  await page.keyboard.press("Enter");
  const hit = page.getByRole("list").getByRole("listitem").first();
  await expect(hit).toContainText("serviced every October");
  await expect(hit.locator("mark").first()).toBeVisible();
  await hit.getByRole("button", { name: "why?" }).click();
  await expect(hit.getByText("Weighing")).toBeVisible();
  await hit.getByRole("link").first().click();

  await expect(page.locator("[data-passage]").first()).toBeInViewport();
  await expect(page.locator("mark").first()).toBeVisible();
  const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]).analyze();
  expect(found.violations).toEqual([]);

  // A reload keeps the session: the cookie brings the token back.
  await page.reload();
  await expect(page.locator("[data-passage]").first()).toBeInViewport();

  await page.goto("/settings/keys");
  await page.getByLabel("Name").fill("Flow");
  await page.getByRole("button", { name: "Create key" }).click();
  await expect(page.getByTestId("new-key")).toContainText("sk_");

  await page.goto("/settings");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("E-mail").fill("ada@example.org");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Password").fill("a quiet reading room");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("searchbox", { name: "Search your documents" })).toBeVisible();
  expect(broken).toEqual([]);
});
