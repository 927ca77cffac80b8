/** The whole app over a mock world, opened at a URL: what a test acts on. */

import type { Db, Scenario } from "@mock/db";
import { createHandlers } from "@mock/handlers/index";
import { seed } from "@mock/seed";
import { QueryClient } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter, RouterProvider } from "react-router";
import { vi } from "vitest";
import type { Job } from "@/api/types";
import { Providers } from "@/app/providers";
import { routes } from "@/app/router";
import { server } from "./server";

export function world(scenario: Scenario = "full"): Db {
  const db = seed(scenario, { archive: 120 });
  server.use(...createHandlers(db));
  return db;
}

export function open(path: string, db: Db = world()) {
  const cache = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 10_000 } } });
  const router = createMemoryRouter(routes, { initialEntries: [path] });
  render(
    <Providers cache={cache}>
      <RouterProvider router={router} />
    </Providers>,
  );
  const url = () => router.state.location.pathname + router.state.location.search;
  return { db, cache, router, url, user: userEvent.setup() };
}

/** Opens the live socket for the rest of the test; it begins with this snapshot. */
export function socketWith(jobs: readonly Job[]) {
  class Socket {
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose: (() => void) | null = null;
    constructor() {
      setTimeout(() => this.onmessage?.({ data: JSON.stringify({ type: "snapshot", jobs }) }));
    }
    send() {}
    close() {}
  }
  vi.stubGlobal("WebSocket", Socket);
}

/** Ids of the seeded world. */
export function ids(db: Db) {
  const collection = (name: string) => db.collections.find((c) => c.name === name)?.id ?? "";
  return {
    house: collection("House and building"),
    lab: collection("Lab notebooks"),
    document: (end: string) => {
      const row = db.documents.find((d) => d.path.endsWith(end));
      if (!row) throw new Error(`the seed has no document ${end}`);
      return row;
    },
    job: (status: string, outcome?: string) => {
      const row = db.jobs.find((j) => j.status === status && (!outcome || j.outcome === outcome));
      if (!row) throw new Error(`the seed has no ${status} job`);
      return row;
    },
  };
}

export { screen };
