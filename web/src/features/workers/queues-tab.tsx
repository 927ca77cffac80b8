/** Where jobs wait: how many, since when, who serves them, and whether somebody holds them back. */
import { useState } from "react";
import { problemLine, problemOf } from "@/api/problem";
import { useSession } from "@/api/session";
import type { QueueState } from "@/api/types";
import { count, counted } from "@/lib/format";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { Notice, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { useChangeQueue, useQueues } from "./use-workers";
import styles from "./workers.module.css";

const ABOUT: Record<string, string> = {
  io: "waiting on disks, databases and networks",
  cpu: "reading and embedding documents",
  gpu: "work for a graphics card",
  llm: "calls to language models",
  maintenance: "clean-up by the clock",
};

export function QueuesTab() {
  const queues = useQueues();
  if (queues.isError) return <ProblemNotice problem={problemOf(queues.error)} />;
  if (!queues.data) return <SkeletonRows rows={5} height={56} />;
  const stuck = queues.data.items.filter(({ ready, workers, paused_at }) => ready > 0 && workers === 0 && !paused_at);
  return (
    <>
      {stuck.map(({ queue, ready }) => (
        <Notice key={queue} tone="warn" icon="warning">
          <p>
            {counted(ready, "job")} in {queue} {ready === 1 ? "waits" : "wait"}, and no worker serves this queue. Start
            one for it, or nothing happens there.
          </p>
        </Notice>
      ))}
      <table className={table.table}>
        <thead>
          <tr>
            <th>Queue</th>
            <th>State</th>
            <th className={table.number}>Ready</th>
            <th className={table.number}>Running</th>
            <th className={table.number}>Later</th>
            <th className={table.number}>Blocked</th>
            <th className={table.number}>Workers</th>
            <th>
              <span className="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.data.items.map((queue) => (
            <Queue key={queue.queue} queue={queue} />
          ))}
        </tbody>
      </table>
      <p className={styles.note}>
        The numbers are jobs of your workspace. Pause and limit hold for everybody who uses this server; what runs goes
        on.
      </p>
    </>
  );
}

function Queue({ queue }: { queue: QueueState }) {
  const session = useSession();
  const change = useChangeQueue(queue.queue);
  const [limiting, setLimiting] = useState<string | null>(null);
  const mayChange = session.status === "in" && session.user.role === "admin";
  const why = mayChange ? null : "Only an administrator may hold back a queue that everybody uses.";
  const failed = (error: unknown) => tell(problemLine(error), { tone: "bad" });
  const limit = Number(limiting);
  const valid = limiting === "" || (Number.isInteger(limit) && limit >= 1 && limit <= 10_000);
  return (
    <>
      <tr>
        <td className={table.main}>
          <strong className={styles.name}>{queue.queue}</strong>
          <span className={table.under}>
            {ABOUT[queue.queue] ?? ""}
            {queue.oldest_ready_at && (
              <>
                {" · oldest ready "}
                <Ago at={queue.oldest_ready_at} />
              </>
            )}
          </span>
        </td>
        <td>
          {queue.paused_at ? (
            <Status tone="warn" icon="pause">
              Paused
            </Status>
          ) : (
            <Status tone="ok" icon="play">
              Open
            </Status>
          )}
          {queue.max_running !== null && (
            <span className={styles.limit}>at most {count(queue.max_running)} at once</span>
          )}
        </td>
        <td className={table.number} data-word="ready">
          {count(queue.ready)}
        </td>
        <td className={table.number} data-word="running">
          {count(queue.running)}
        </td>
        <td className={table.number} data-word="later">
          {count(queue.later)}
        </td>
        <td className={table.number} data-word="blocked">
          {count(queue.blocked)}
        </td>
        <td className={table.number} data-word="workers">
          {count(queue.workers)}
        </td>
        <td>
          <span className={styles.actions}>
            <Button
              small
              icon={queue.paused_at ? "play" : "pause"}
              why={why}
              busy={change.isPending}
              aria-label={`${queue.paused_at ? "Resume" : "Pause"} ${queue.queue}`}
              onClick={() => change.mutate({ paused: !queue.paused_at }, { onError: failed })}
            >
              {queue.paused_at ? "Resume" : "Pause"}
            </Button>
            <Button
              small
              why={why}
              aria-label={`Limit ${queue.queue}`}
              aria-expanded={limiting !== null}
              onClick={() => setLimiting(limiting === null ? String(queue.max_running ?? "") : null)}
            >
              Limit
            </Button>
          </span>
        </td>
      </tr>
      {limiting !== null && (
        <tr className={styles.editor}>
          <td colSpan={8}>
            <form
              className={styles.limitForm}
              onSubmit={(event) => {
                event.preventDefault();
                if (!valid) return;
                change.mutate(limiting === "" ? { unlimited: true } : { max_running: limit }, {
                  onSuccess: () => setLimiting(null),
                  onError: failed,
                });
              }}
            >
              <TextField
                label={`Most jobs of ${queue.queue} at once`}
                inputMode="numeric"
                help="Empty: no limit."
                error={valid ? null : "A number from 1 to 10,000, or nothing."}
                value={limiting}
                onChange={(event) => setLimiting(event.target.value.trim())}
              />
              <Button type="submit" busy={change.isPending}>
                Set limit
              </Button>
            </form>
          </td>
        </tr>
      )}
    </>
  );
}
