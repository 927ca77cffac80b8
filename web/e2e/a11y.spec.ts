/** Every page in light without a violation of WCAG A and AA, and in dark without one that a colour decides. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { enter, expect, pages, settled, test } from "./world";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Legacy mode: our pages have no frames, and it opens no page of its own. The page is in light before and after. */
async function faults(page: Page): Promise<unknown[]> {
  const inLight = await new AxeBuilder({ page }).setLegacyMode().withTags(RULES).analyze();
  await turn(page, "dark");
  const inDark = await new AxeBuilder({ page })
    .setLegacyMode()
    .withRules(["color-contrast", "link-in-text-block"])
    .analyze();
  await turn(page, "light");
  return [
    ...inLight.violations.map((v) => ({ theme: "light", ...v })),
    ...inDark.violations.map((v) => ({ theme: "dark", ...v })),
  ].map((v) => ({ theme: v.theme, id: v.id, nodes: v.nodes.map((n) => n.html).slice(0, 3) }));
}

async function turn(page: Page, colorScheme: "light" | "dark") {
  const ink = () => page.evaluate(() => getComputedStyle(document.body).color);
  const before = await ink();
  await page.emulateMedia({ colorScheme });
  await expect.poll(ink, { message: `the page turns ${colorScheme}` }).not.toBe(before);
}

for (const half of [0, 1]) {
  test(`pages, part ${half + 1} of 2`, async ({ world }) => {
    test.setTimeout(300_000);
    await world.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await world.goto("/search");
    const mine = Object.entries(await pages(world)).filter((_, i) => i % 2 === half);
    for (const [name, path] of mine) {
      await test.step(name, async () => {
        await world.goto(path);
        await settled(world);
        if (name === "results") await world.getByRole("button", { name: "why?" }).first().click();
        expect.soft(await faults(world), name).toEqual([]);
      });
    }
  });
}

test("entrances, empty, failing and loading", async ({ browser, baseURL }) => {
  test.setTimeout(180_000);
  for (const [scenario, path] of [
    ["fresh", "/setup"],
    ["out", "/login"],
    ["empty", "/search"],
    ["empty", "/collections"],
    ["empty", "/jobs"],
    ["empty", "/jobs/dead-letters"],
    ["empty", "/jobs/schedules"],
    ["failing", "/collections"],
    ["failing", "/jobs/dead-letters"],
    ["loading", "/jobs"],
  ] as const) {
    const context = await browser.newContext({
      colorScheme: "light",
      reducedMotion: "reduce",
      viewport: { width: 390, height: 844 },
    });
    await enter(context, scenario, baseURL ?? "");
    const page = await context.newPage();
    await page.goto(path);
    await page.locator("h1").first().waitFor();
    if (scenario === "failing") await page.getByRole("alert").waitFor();
    expect(await faults(page), path).toEqual([]);
    await context.close();
  }
});

test("no page is wider than a phone", async ({ world }) => {
  test.setTimeout(180_000);
  await world.setViewportSize({ width: 390, height: 844 });
  await world.goto("/search");
  for (const [name, path] of Object.entries(await pages(world))) {
    await world.goto(path);
    await settled(world);
    const over = await world.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(over, name).toBeLessThanOrEqual(0);
  }
});
