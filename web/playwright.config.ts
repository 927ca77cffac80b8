import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const port = Number(process.env.SEMANTIK_E2E_PORT ?? 4174);
const debian = "/usr/bin/chromium";
const executablePath = process.env.SEMANTIK_CHROMIUM ?? (existsSync(debian) ? debian : undefined);

/** Pages run against the mock API behind the built app; `flow.spec.ts` against a real server when one is named. */
export default defineConfig({
  testDir: "./e2e",
  // Pictures are for eyes: they are taken when a folder is named for them.
  testIgnore: process.env.SEMANTIK_SCREENS ? [] : ["**/screens.spec.ts"],
  outputDir: "./test-results",
  fullyParallel: true,
  workers: Number(process.env.SEMANTIK_E2E_WORKERS ?? 2),
  timeout: 60_000,
  expect: { timeout: 10_000 },
  retries: process.env.CI ? 1 : 0,
  forbidOnly: Boolean(process.env.CI),
  reporter: [["list"]],
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    browserName: "chromium",
    launchOptions: {
      ...(executablePath ? { executablePath } : {}),
      // Chromium refuses its sandbox to root, which is who runs in containers.
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
  },
  webServer: {
    command: `npx vite build --outDir dist && npx vite preview --outDir dist --host 127.0.0.1 --port ${port} --strictPort`,
    env: { SEMANTIK_MOCK: "1" },
    url: `http://127.0.0.1:${port}/`,
    reuseExistingServer: !process.env.CI,
    timeout: 120_000,
    stdout: "ignore",
  },
});
