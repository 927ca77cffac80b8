/** The mock's answers, one handler a route, over one `Db`. The same handlers serve the dev server, unit tests and Playwright. */
import type { HttpHandler } from "msw";
import type { Db } from "../db.ts";
import { accounts } from "./accounts.ts";
import { collections } from "./collections.ts";
import { deadLetters } from "./dead-letters.ts";
import { documents } from "./documents.ts";
import { jobs } from "./jobs.ts";
import { schedules } from "./schedules.ts";
import { sources } from "./sources.ts";
import { system } from "./system.ts";
import { workers } from "./workers.ts";

export function createHandlers(db: Db): HttpHandler[] {
  return [
    ...accounts(db),
    ...collections(db),
    ...sources(db),
    ...documents(db),
    ...jobs(db),
    ...deadLetters(db),
    ...schedules(db),
    ...workers(db),
    ...system(db),
  ];
}
