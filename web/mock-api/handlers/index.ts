/** The mock's answers, one handler a route, over one `Db`. The same handlers serve the dev server, unit tests and Playwright. */
import type { HttpHandler } from "msw";
import type { Db } from "../db.ts";
import { accounts } from "./accounts.ts";
import { collections } from "./collections.ts";
import { documents } from "./documents.ts";
import { jobs } from "./jobs.ts";
import { sources } from "./sources.ts";

export function createHandlers(db: Db): HttpHandler[] {
  return [...accounts(db), ...collections(db), ...sources(db), ...documents(db), ...jobs(db)];
}
