/** Where jobs wait: how many, since when, who serves them, and whether somebody holds them back. */
import { useState } from "react";
import { problemLine, problemOf } from "@/api/problem";
import { useSession } from "@/api/session";
import type { QueueState } from "@/api/types";
import { count, counted } from "@/lib/format";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Notice, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { type Limits, useLimit, usePauseQueue, useQueues } from "./use-workers";
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
        The numbers are jobs of your workspace. Pause and limits hold for everybody who uses this server; what runs goes
        on.
      </p>
    </>
  );
}

function Queue({ queue }: { queue: QueueState }) {
  const session = useSession();
  const pause = usePauseQueue(queue.queue);
  const [limiting, setLimiting] = useState(false);
  const mayChange = session.status === "in" && session.user.role === "admin";
  const why = mayChange ? null : "Only an administrator may hold back a queue that everybody uses.";
  const failed = (error: unknown) => tell(problemLine(error), { tone: "bad" });
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
          <Limit of={queue} />
          {queue.kinds.map((kind) => (
            <Limit key={kind.kind} of={kind} name={kind.kind} />
          ))}
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
        <td className={table.number} data-word={queue.workers === 1 ? "worker" : "workers"}>
          {count(queue.workers)}
        </td>
        <td>
          <span className={styles.actions}>
            <Button
              small
              icon={queue.paused_at ? "play" : "pause"}
              why={why}
              busy={pause.isPending}
              aria-label={`${queue.paused_at ? "Resume" : "Pause"} ${queue.queue}`}
              onClick={() => pause.mutate(!queue.paused_at, { onError: failed })}
            >
              {queue.paused_at ? "Resume" : "Pause"}
            </Button>
            <Button
              small
              why={why}
              aria-label={`Limit ${queue.queue}`}
              aria-expanded={limiting}
              onClick={() => setLimiting(!limiting)}
            >
              Limit
            </Button>
          </span>
        </td>
      </tr>
      {limiting && (
        <tr className={styles.editor}>
          <td colSpan={8}>
            <LimitForm queue={queue} onDone={() => setLimiting(false)} onFailed={failed} />
          </td>
        </tr>
      )}
    </>
  );
}

function Limit({ of, name }: { of: Limits; name?: string }) {
  const words = [
    of.max_running !== null && `at most ${count(of.max_running)} at once`,
    of.max_per_tenant !== null && `${count(of.max_per_tenant)} of each workspace`,
  ].filter(Boolean);
  if (words.length === 0) return null;
  return (
    <span className={styles.limit}>
      {name && `${name}: `}
      {words.join(", ")}
    </span>
  );
}

type FormProps = { queue: QueueState; onDone: () => void; onFailed: (error: unknown) => void };

function LimitForm({ queue, onDone, onFailed }: FormProps) {
  const change = useLimit(queue.queue);
  const [kind, setKind] = useState("");
  const [typed, setTyped] = useState(written(queue));
  const most = number(typed.most);
  const each = number(typed.each);
  const choose = (name: string) => {
    setKind(name);
    setTyped(written(queue.kinds.find((one) => one.kind === name) ?? queue));
  };
  return (
    <form
      className={styles.limitForm}
      onSubmit={(event) => {
        event.preventDefault();
        if (most === undefined || each === undefined) return;
        const limits = { max_running: most, max_per_tenant: each };
        change.mutate({ kind, limits }, { onSuccess: onDone, onError: onFailed });
      }}
    >
      {queue.kinds.length > 0 && (
        <SelectField
          label="Jobs"
          help="A kind keeps to both limits."
          value={kind}
          onChange={(event) => choose(event.target.value)}
        >
          <option value="">all of {queue.queue}</option>
          {queue.kinds.map((one) => (
            <option key={one.kind} value={one.kind}>
              {one.kind}
            </option>
          ))}
        </SelectField>
      )}
      <TextField
        label={`Most jobs of ${kind || queue.queue} at once`}
        inputMode="numeric"
        help="Empty: no limit."
        error={most === undefined ? WRONG : null}
        value={typed.most}
        onChange={(event) => setTyped({ ...typed, most: event.target.value.trim() })}
      />
      <TextField
        label="Most of each workspace"
        inputMode="numeric"
        help="Empty: no limit."
        error={each === undefined ? WRONG : null}
        value={typed.each}
        onChange={(event) => setTyped({ ...typed, each: event.target.value.trim() })}
      />
      <Button type="submit" busy={change.isPending}>
        Set limit
      </Button>
    </form>
  );
}

const WRONG = "A number from 1 to 10,000, or nothing.";

const written = ({ max_running, max_per_tenant }: Limits) => ({
  most: String(max_running ?? ""),
  each: String(max_per_tenant ?? ""),
});

/** Null: no limit. Undefined: not a limit at all. */
function number(text: string): number | null | undefined {
  if (text === "") return null;
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= 10_000 ? value : undefined;
}
