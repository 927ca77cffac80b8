/** Every page, in light and in dark, without a violation of WCAG A and AA. */
import AxeBuilder from "@axe-core/playwright";
import { enter, expect, pages, settled, test } from "./world";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

for (const theme of ["light", "dark"] as const) {
  test(`pages, ${theme}`, async ({ world }) => {
    test.setTimeout(300_000);
    await world.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await world.goto("/search");
    for (const [name, path] of Object.entries(await pages(world))) {
      await test.step(name, async () => {
        await world.goto(path);
        await settled(world);
        if (name === "results") await world.getByRole("button", { name: "why?" }).first().click();
        const { violations } = await new AxeBuilder({ page: world }).withTags(RULES).analyze();
        expect
          .soft(
            violations.map((v) => ({ id: v.id, nodes: v.nodes.map((n) => n.html).slice(0, 3) })),
            name,
          )
          .toEqual([]);
      });
    }
  });

  test(`entrances, empty, failing and loading, ${theme}`, async ({ browser, baseURL }) => {
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
      const context = await browser.newContext({ colorScheme: theme, viewport: { width: 390, height: 844 } });
      await enter(context, scenario, baseURL ?? "");
      const page = await context.newPage();
      await page.goto(path);
      await page.locator("h1").first().waitFor();
      if (scenario === "failing") await page.getByRole("alert").waitFor();
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
      expect(
        violations.map((v) => ({ id: v.id, nodes: v.nodes.map((n) => n.html).slice(0, 3) })),
        path,
      ).toEqual([]);
      await context.close();
    }
  });
}

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
