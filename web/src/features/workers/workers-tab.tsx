/** Who runs jobs, and what became of the jobs of workers that were lost. */
import { Link } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { useSession } from "@/api/session";
import type { Worker } from "@/api/types";
import { count, duration } from "@/lib/format";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { Empty, ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus, Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { useDrain, useRecoveries, useWorkers } from "./use-workers";
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
  if (workers.isError) return <ProblemNotice problem={problemOf(workers.error)} />;
  if (!workers.data) return <SkeletonRows rows={3} height={56} />;
  if (workers.data.items.length === 0)
    return <Empty>No worker has signed in during the last day. Jobs wait until one does.</Empty>;
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th>Worker</th>
          <th>State</th>
          <th className={table.number}>Slots</th>
          <th className={table.number}>Started</th>
          <th className={table.number}>Last seen</th>
          <th>
            <span className="hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {workers.data.items.map((worker) => {
          const look = STATES[worker.state];
          return (
            <tr key={worker.id}>
              <td className={table.main}>
                <code className={styles.id}>{worker.id}</code>
                <span className={table.under}>
                  {worker.pool} · {worker.queues.join(", ")} · version {worker.version}
                </span>
                {worker.running.map((job) => (
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
                {count(worker.running.length)} of {count(worker.slots)}
              </td>
              <td className={`${table.number} ${table.dim}`}>
                <Ago at={worker.started_at} />
              </td>
              <td className={`${table.number} ${table.dim}`}>
                <Ago at={worker.last_seen_at} />
              </td>
              <td>
                <Drain worker={worker} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** A worker is drained as a whole: all its processes hand their jobs over. */
function Drain({ worker }: { worker: Worker }) {
  const session = useSession();
  const drain = useDrain(worker.id);
  if (worker.state !== "up" && worker.state !== "draining") return null;
  const drains = worker.drain_asked_at !== null;
  const mayChange = session.status === "in" && session.user.role === "admin";
  const failed = (error: unknown) => tell(problemLine(error), { tone: "bad" });
  return (
    <Button
      small
      icon={drains ? "play" : "pause"}
      busy={drain.isPending}
      why={mayChange ? null : "Only an administrator may drain a worker that everybody uses."}
      onClick={() => drain.mutate(!drains, { onError: failed })}
      aria-label={`${drains ? "Resume" : "Drain"} ${worker.name}`}
    >
      {drains ? "Resume" : "Drain"}
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
                    <JobStatus status={one.status} />
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
