/** The parts of the server, and the doctor: in the mock, everything agrees. */
import { type HttpHandler, HttpResponse, http } from "msw";
import { createJob, type Db, now } from "../db.ts";
import { guard, V1 } from "./answers.ts";

export function system(db: Db): HttpHandler[] {
  return [
    http.get("*/readyz", () => {
      const names = ["api", "database", "redis", "broker", "workers", "vectors", "blobs", "disk"];
      const parts = names.map((name) => ({ name, state: db.away.includes(name) ? "down" : "ok", latency_ms: 0.4 }));
      return HttpResponse.json({ status: "ready", parts });
    }),
    http.post(
      `${V1}/doctor`,
      guard(db)(async ({ request }) => {
        const { fix } = (await request.json()) as { fix: boolean };
        const job = createJob(
          db,
          {
            kind: "doctor",
            title: fix ? "Mend what does not agree" : "Check that all agrees",
            queue: "maintenance",
            status: "completed",
            display_status: "completed",
            outcome: "ok",
            started_at: now(),
            finished_at: now(),
            result: { checked: {}, found: {}, mended: {}, lost: 0, examples: {} },
          },
          { moving: false },
        );
        return HttpResponse.json({ job_id: job.id }, { status: 202 });
      }),
    ),
  ];
}
