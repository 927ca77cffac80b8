/** Pictures of every page, to look at side by side: SEMANTIK_SCREENS=<folder> npm run e2e -- screens. */
import { enter, expect, pages, settled, test } from "./world";

const folder = process.env.SEMANTIK_SCREENS;
const only = process.env.SEMANTIK_SCREENS_ONLY?.split(",");
const widths = (process.env.SEMANTIK_SCREENS_WIDTHS ?? "390,1024,1600").split(",").map(Number);

for (const theme of ["light", "dark"] as const) {
  for (const width of widths) {
    test(`full ${theme} ${width}`, async ({ world, baseURL }) => {
      test.setTimeout(240_000);
      await world.emulateMedia({ colorScheme: theme });
      await world.setViewportSize({ width, height: width < 500 ? 844 : 900 });
      await world.goto("/search");
      const all = await pages(world);
      for (const [name, path] of Object.entries(all)) {
        if (only && !only.includes(name)) continue;
        await world.goto(path);
        await settled(world);
        if (name === "results") await world.getByRole("button", { name: "why?" }).first().click();
        await world.waitForTimeout(250);
        await world.screenshot({ path: `${folder}/${name}-${width}-${theme}.png` });
      }
      expect(baseURL).toBeTruthy();
    });
    for (const [scenario, paths] of [
      ["empty", ["/search", "/collections", "/jobs", "/jobs/dead-letters", "/jobs/schedules", "/settings/keys"]],
      ["failing", ["/search?q=boiler", "/collections", "/jobs", "/jobs/dead-letters", "/jobs/queues", "/jobs/workers"]],
      ["loading", ["/collections", "/jobs", "/search?q=boiler"]],
      ["fresh", ["/setup#token=mock-token", "/setup"]],
      ["out", ["/login"]],
    ] as const) {
      test(`${scenario} ${theme} ${width}`, async ({ page, context, baseURL }) => {
        if (only && !only.includes(scenario)) return;
        await enter(context, scenario, baseURL ?? "");
        await page.emulateMedia({ colorScheme: theme });
        await page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
        for (const path of paths) {
          await page.goto(path);
          await page.waitForTimeout(scenario === "failing" ? 4500 : 700);
          await page.screenshot({ path: `${folder}/${scenario}-${path.replace(/\W+/g, "-")}-${width}-${theme}.png` });
        }
      });
    }
  }
}
