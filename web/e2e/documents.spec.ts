import { expect, ids, test } from "./world";

test("a link to a passage opens the document there, marked", async ({ world }) => {
  await world.goto("/search");
  const { manual, passage } = await ids(world);
  const start = Number(passage?.start);
  await world.goto(`/documents/${manual}?chunk=${String(passage?.id)}&marks=${start}-${start + 10}`);
  await expect(world.locator("[data-passage]")).toBeInViewport();
  await expect(world.locator("mark")).toHaveText("The boiler");
});

test("a long document is loaded around the passage and grows while one scrolls, both ways", async ({ world }) => {
  await world.goto("/search");
  const { document } = await ids(world);
  const long = document("wall-survey-complete.pdf");
  const chunks = (await (
    await world.request.get(`/api/v1/documents/${long}/chunks?limit=200&cursor=after-200`)
  ).json()) as {
    items: { id: string; heading_path: string[] }[];
  };
  const target = chunks.items.find((c) => c.heading_path[0] === "Chapter 20");
  await world.goto(`/documents/${long}?chunk=${target?.id}`);
  const passage = world.locator("[data-passage]").first();
  await expect(passage).toBeInViewport();
  const at = async () => (await passage.boundingBox())?.y ?? 0;
  const before = await at();
  await world.waitForTimeout(1200);
  // Earlier text that arrives above must not push the passage away.
  expect(Math.abs((await at()) - before)).toBeLessThan(3);
  const loaded = () => world.locator("[data-start]").count();
  const few = await loaded();
  for (let i = 0; i < 8; i += 1) {
    await world.mouse.wheel(0, 4000);
    await world.waitForTimeout(150);
  }
  await expect.poll(loaded).toBeGreaterThan(few);
});

test("the outline leads to a heading far away", async ({ world }) => {
  await world.goto("/search");
  const { document } = await ids(world);
  await world.goto(`/documents/${document("wall-survey-complete.pdf")}`);
  await world
    .getByRole("navigation", { name: "Outline" })
    .getByRole("button", { name: /Chapter 37/ })
    .click();
  await expect(world.getByText("Paragraph 1 of chapter 37.")).toBeInViewport();
});

test("a locked document takes its password", async ({ world }) => {
  await world.goto("/search");
  const { document } = await ids(world);
  await world.goto(`/documents/${document("annual-report-2019.pdf")}`);
  await expect(world.getByRole("alert")).toContainText("annual-report-2019.pdf needs a password.");
  await world.getByLabel("Password of annual-report-2019.pdf").fill("sesame");
  await world.getByRole("button", { name: /Retry/ }).click();
  await expect(world.getByRole("alert")).toHaveCount(0);
});

test("the original is downloaded under its own name", async ({ world }) => {
  await world.goto("/search");
  const { manual } = await ids(world);
  await world.goto(`/documents/${manual}`);
  const download = world.waitForEvent("download");
  await world.getByRole("button", { name: "Original" }).click();
  expect((await download).suggestedFilename()).toBe("house-manual.pdf");
});
