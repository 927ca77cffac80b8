/** A browser with a mock world of its own, and the list of pages that every look-through visits. */
import { randomUUID } from "node:crypto";
import { type BrowserContext, test as base, type Page } from "@playwright/test";
import type { Scenario } from "../mock-api/db";

export async function enter(context: BrowserContext, scenario: Scenario, baseURL: string) {
  await context.addCookies([{ name: "mock", value: `${scenario}.${randomUUID()}`, url: baseURL }]);
}

export const test = base.extend<{ scenario: Scenario; world: Page }>({
  scenario: ["full", { option: true }],
  world: async ({ context, page, scenario, baseURL }, use) => {
    await enter(context, scenario, baseURL ?? "");
    await use(page);
  },
});
export { expect } from "@playwright/test";

/** Ids of the seeded world, asked from its API. */
export async function ids(page: Page) {
  const get = async (path: string) =>
    (await (await page.request.get(`/api/v1${path}`)).json()) as { items: Record<string, unknown>[] };
  const collections = (await get("/collections")).items;
  const id = (name: string) => String(collections.find((c) => c.name === name)?.id);
  const house = id("House and building");
  const documents = (await get(`/documents?collection=${house}&limit=100`)).items;
  const document = (path: string) => String(documents.find((d) => String(d.path).endsWith(path))?.id);
  const sources = (await get(`/collections/${house}/sources`)).items;
  const jobs = (await get("/jobs")).items;
  const job = (status: string, outcome?: string) =>
    String(jobs.find((j) => j.status === status && (!outcome || j.outcome === outcome))?.id);
  const schedule = String((await get("/schedules")).items[0]?.id);
  const manual = document("house-manual.pdf");
  const chunks = (await get(`/documents/${manual}/chunks`)).items;
  const passage = chunks.find((c) => String(c.text).includes("serviced every October"));
  return {
    house,
    archive: id("Archive 1998–2019"),
    document,
    manual,
    passage,
    source: String(sources[0]?.id),
    job,
    schedule,
  };
}

/** Every page of the app, by name. */
export async function pages(page: Page): Promise<Record<string, string>> {
  const w = await ids(page);
  const start = Number(w.passage?.start);
  return {
    search: "/search",
    results: "/search?q=how+is+the+boiler+serviced",
    "no-result": "/search?q=zebra",
    filters: "/search?q=boiler&language=en&tag=manual",
    collections: "/collections",
    "new-collection": "/collections/new",
    collection: `/collections/${w.house}`,
    "archive-10000": `/collections/${w.archive}`,
    sources: `/collections/${w.house}/sources`,
    "new-source": `/collections/${w.house}/sources/new`,
    plan: `/collections/${w.house}/sources/${w.source}/plan`,
    source: `/collections/${w.house}/sources/${w.source}`,
    failures: `/collections/${w.house}/failures`,
    "collection-settings": `/collections/${w.house}/settings`,
    document: `/documents/${w.manual}?chunk=${String(w.passage?.id)}&marks=${start + 23}-${start + 45}&from=%3Fq%3Dboiler`,
    "document-about": `/documents/${w.manual}?about=1&chunks=1`,
    "document-failed": `/documents/${w.document("annual-report-2019.pdf")}`,
    "document-long": `/documents/${w.document("wall-survey-complete.pdf")}`,
    jobs: "/jobs",
    "job-running": `/jobs/${w.job("running")}`,
    "job-partial": `/jobs/${w.job("completed", "partial")}`,
    "job-log": `/jobs/${w.job("completed", "partial")}?tab=log`,
    "job-graph": `/jobs/${w.job("blocked")}?tab=graph`,
    "job-details": `/jobs/${w.job("running")}?tab=details`,
    "jobs-filtered": "/jobs?status=blocked",
    "dead-letters": "/jobs/dead-letters",
    schedules: "/jobs/schedules",
    "new-schedule": "/jobs/schedules/new",
    schedule: `/jobs/schedules/${w.schedule}`,
    queues: "/jobs/queues",
    workers: "/jobs/workers",
    "job-items": `/jobs/${w.job("completed", "partial")}?tab=items`,
    "job-attempts": `/jobs/${w.job("completed", "partial")}?tab=attempts`,
    "job-failed": `/jobs/${w.job("failed")}?tab=details`,
    settings: "/settings",
    keys: "/settings/keys",
    about: "/settings/about",
    "not-found": "/nowhere",
  };
}

/** Waits until the page has said what it has to say: nothing is loading any more. */
export async function settled(page: Page) {
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.waitForFunction(() => !document.querySelector('[role="status"][aria-label="Loading"]'), undefined, {
    timeout: 15_000,
  });
  await page.evaluate(() => document.fonts.ready);
}
