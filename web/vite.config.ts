import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const mocked = process.env.SEMANTIK_MOCK === "1";
const server = process.env.SEMANTIK_URL ?? "http://127.0.0.1:8080";
const proxy = {
  "/api": { target: server, changeOrigin: false },
  "/ws": { target: server, ws: true, changeOrigin: false },
};

// Loaded only when asked for: a build needs no mock.
const mock = mocked ? [(await import("./mock-api/plugin.ts")).mockApi()] : [];

export default defineConfig({
  plugins: [react(), ...mock],
  resolve: { alias: { "@": at("./src"), "@mock": at("./mock-api") } },
  server: { proxy: mocked ? undefined : proxy },
  preview: { proxy: mocked ? undefined : proxy },
  build: {
    outDir: at("../semantik/webui"),
    emptyOutDir: true,
    // One file by choice: it comes from the same machine, once, and no page waits for a second one.
    chunkSizeWarningLimit: 800,
    // Fonts stay files of their own: a data: URL would need a looser content security policy.
    assetsInlineLimit: 0,
    target: "es2022",
    // How long a plugin took is no news to whoever types `make demo`.
    rolldownOptions: { checks: { bundlerTimings: false } },
    // Below this Lightning CSS would spell light-dark() and oklch() out for browsers that lack them.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
  },
  test: {
    // Left to itself, vitest keeps one core free: of two that is half.
    maxWorkers: availableParallelism(),
    projects: [
      {
        extends: true,
        test: {
          name: "app",
          environment: "jsdom",
          environmentOptions: { jsdom: { url: "http://semantik.test/" } },
          include: ["src/**/*.test.{ts,tsx}"],
          setupFiles: ["./src/test/setup.ts"],
          css: false,
          testTimeout: 20_000,
        },
      },
      { extends: true, test: { name: "contract", environment: "node", include: ["mock-api/**/*.test.ts"] } },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.{ts,tsx}"],
      exclude: ["src/api/generated/**", "src/test/**", "src/main.tsx", "**/*.test.{ts,tsx}"],
      reporter: ["text-summary", "json-summary", "html"],
      thresholds: { lines: 70 },
    },
  },
});
