/** Who runs jobs, and what became of the jobs of workers that were lost. */
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { useWorkers } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Worker } from "@/api/types";
import { count, counted, duration } from "@/lib/format";
import { paths, withParam } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { Empty, ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus, Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { drainOf, drainWords, type Group, grouped, living } from "./processes";
import { useDrain, useRecoveries } from "./use-workers";
import styles from "./workers.module.css";

const STATES = {
  up: { word: "Up", tone: "ok", icon: "check" },
  draining: { word: "Draining", tone: "idle", icon: "clock" },
  down: { word: "Stopped", tone: "idle", icon: "stop" },
  silent: { word: "Silent", tone: "warn", icon: "warning" },
} as const;

const FATES = {
  resumed: { tone: "ok", icon: "check" },
  waiting: { tone: "warn", icon: "clock" },
  paused: { tone: "idle", icon: "pause" },
  cancelled: { tone: "idle", icon: "stop" },
  failed: { tone: "bad", icon: "cross" },
} as const;

export function WorkersTab() {
  return (
    <>
      <Workers />
      <Section title="Recovery log">
        <Recoveries />
      </Section>
    </>
  );
}

function Workers() {
  const workers = useWorkers();
  const [params, setParams] = useSearchParams();
  if (workers.isError) return <ProblemNotice problem={problemOf(workers.error)} />;
  if (!workers.data) return <SkeletonRows rows={3} height={56} />;
  const { items } = workers.data;
  if (items.length === 0) return <Empty>No worker has signed in during the last day. Jobs wait until one does.</Empty>;
  // Commands that run once sign in as well, and would soon be most of the list.
  const stopped = items.filter(({ state }) => state === "down").length;
  const all = params.has("stopped");
  const groups = grouped(all ? items : items.filter(({ state }) => state !== "down"));
  return (
    <>
      {groups.length === 0 && <Empty>No worker runs now. Jobs wait until one does.</Empty>}
      {groups.length > 0 && (
        <table className={table.table}>
          <thead>
            <tr>
              <th>Process</th>
              <th>State</th>
              <th className={table.number}>Slots</th>
              <th className={table.number}>Started</th>
              <th className={table.number}>Last seen</th>
            </tr>
          </thead>
          {groups.map((group) => (
            <WorkerGroup key={group.name} group={group} />
          ))}
        </table>
      )}
      {stopped > 0 && (
        <div className={table.more}>
          <Button small onClick={() => setParams((old) => withParam(old, "stopped", all ? null : "1"))}>
            {`${all ? "Hide" : "Show"} ${count(stopped)} that stopped`}
          </Button>
        </div>
      )}
    </>
  );
}

function WorkerGroup({ group }: { group: Group }) {
  const [asking, setAsking] = useState(false);
  const { name, processes } = group;
  const first = living(group)[0];
  const drain = useDrain(first?.id ?? "");
  const failed = (error: unknown) => tell(problemLine(error), { tone: "bad" });
  return (
    <tbody>
      <tr className={`${table.group} ${styles.worker}`}>
        <th scope="rowgroup" colSpan={5}>
          <span className={styles.workerLine}>
            <span>
              <code className={styles.id}>{name}</code>{" "}
              <span className={styles.many}>{counted(processes.length, "process", "processes")}</span>
            </span>
            {first && !asking && (
              <DrainButton
                group={group}
                busy={drain.isPending}
                onDrain={() => setAsking(true)}
                onResume={() => drain.mutate(false, { onError: failed })}
              />
            )}
          </span>
          {first && asking && (
            <span className={styles.ask}>
              {drainWords(group)}
              <span className={styles.actions}>
                <Button
                  small
                  icon="pause"
                  busy={drain.isPending}
                  onClick={() => drain.mutate(true, { onError: failed, onSettled: () => setAsking(false) })}
                >
                  Drain worker
                </Button>
                <Button small look="quiet" onClick={() => setAsking(false)}>
                  Leave it
                </Button>
              </span>
            </span>
          )}
        </th>
      </tr>
      {processes.map((process) => (
        <Process key={process.id} process={process} />
      ))}
    </tbody>
  );
}

function Process({ process }: { process: Worker }) {
  const look = STATES[process.state];
  return (
    <tr>
      <td className={table.main}>
        <code className={styles.id}>{process.id}</code>
        <span className={table.under}>
          {process.pool} · {process.queues.join(", ")} · version {process.version}
        </span>
        {process.running.map((job) => (
          <span key={job.job_id} className={styles.held}>
            runs <Link to={paths.job(job.job_id)}>{job.title}</Link>
          </span>
        ))}
      </td>
      <td>
        <Status tone={look.tone} icon={look.icon}>
          {look.word}
        </Status>
      </td>
      <td className={table.number} data-word="slots">
        {count(process.running.length)} of {count(process.slots)}
      </td>
      <td className={`${table.number} ${table.dim}`}>
        <Ago at={process.started_at} />
      </td>
      <td className={`${table.number} ${table.dim}`}>
        <Ago at={process.last_seen_at} />
      </td>
    </tr>
  );
}

function DrainButton({
  group,
  busy,
  onDrain,
  onResume,
}: {
  group: Group;
  busy: boolean;
  onDrain: () => void;
  onResume: () => void;
}) {
  const session = useSession();
  const mayChange = session.status === "in" && session.user.role === "admin";
  const drains = drainOf(group);
  const verb = { no: "Drain", asked: "Resume", resuming: "Resuming" }[drains];
  return (
    <Button
      small
      icon={drains === "no" ? "pause" : "play"}
      busy={busy}
      why={
        drains === "resuming"
          ? "It takes jobs again once its processes have heard of it. One that is being stopped takes none."
          : mayChange
            ? null
            : "Only an administrator may drain a worker that everybody uses."
      }
      title={drains === "no" ? drainWords(group) : undefined}
      onClick={drains === "no" ? onDrain : onResume}
      aria-label={`${verb} ${group.name}`}
    >
      {verb}
    </Button>
  );
}

const DAYS = 7;

function Recoveries() {
  const recoveries = useRecoveries(DAYS);
  if (recoveries.isError) return <ProblemNotice problem={problemOf(recoveries.error)} />;
  if (!recoveries.data) return <SkeletonRows rows={2} />;
  const { items, words } = recoveries.data;
  return (
    <>
      <p className={styles.words}>
        {words} in the last {DAYS} days.
      </p>
      {items.length > 0 && (
        <table className={table.table}>
          <thead>
            <tr>
              <th>Job</th>
              <th>Became</th>
              <th className={table.number}>After</th>
              <th className={table.number}>Lost</th>
              <th>Job now</th>
            </tr>
          </thead>
          <tbody>
            {items.map((one) => {
              const look = FATES[one.became as keyof typeof FATES] ?? FATES.waiting;
              return (
                <tr key={`${one.job_id}/${one.fence}`}>
                  <td className={table.main}>
                    <Link to={paths.job(one.job_id, { tab: "attempts" })} className={table.link}>
                      {one.title}
                    </Link>
                    <span className={table.under}>{one.owner}</span>
                  </td>
                  <td>
                    <Status tone={look.tone} icon={look.icon}>
                      {sentence(one.became)}
                    </Status>
                  </td>
                  <td className={table.number} data-word="later">
                    {one.resumed_at ? duration((Date.parse(one.resumed_at) - Date.parse(one.lost_at)) / 1000) : "–"}
                  </td>
                  <td className={`${table.number} ${table.dim}`}>
                    <Ago at={one.lost_at} />
                  </td>
                  <td>
                    <JobStatus status={one.status} outcome={one.outcome} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}
