/** The tabs of a run: timeline, items, attempts. */
import { Link } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Job } from "@/api/types";
import { asSentence, duration, exact } from "@/lib/format";
import { paths } from "@/lib/paths";
import { codeWords, endingWords, isEnded, sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { Name } from "@/ui/name";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./activity.module.css";
import { eventDetail, story } from "./say";
import { useAttempts, useEvents, useItems, useRequeue } from "./use-activity";

export function Timeline({ job, moving }: { job: Job; moving: boolean }) {
  const events = useEvents(job.id, job.seq, moving);
  if (events.isError) return <ProblemNotice problem={problemOf(events.error)} />;
  if (!events.data) return <SkeletonRows rows={5} height={34} />;
  const told = story(events.data.pages.flatMap((page) => page.items));
  if (told.length === 0) return <Empty>Nothing has happened yet.</Empty>;
  return (
    <>
      <ol className={styles.timeline}>
        {told.map((event) => (
          <li key={event.seq} className={styles.event}>
            {event.at ? (
              <time dateTime={event.at} title={exact(event.at)} className={styles.eventTime}>
                {new Date(event.at).toLocaleTimeString("en-GB")}
              </time>
            ) : (
              <span />
            )}
            <span className={event.level === "error" ? styles.failed : event.level === "warning" ? styles.warned : ""}>
              {event.text}
            </span>
            <span className={styles.dim}>{eventDetail(event)}</span>
          </li>
        ))}
      </ol>
      {events.hasPreviousPage && (
        <div className={table.more}>
          <Button small busy={events.isFetchingPreviousPage} onClick={() => void events.fetchPreviousPage()}>
            Show earlier
          </Button>
        </div>
      )}
    </>
  );
}

const ITEM_LOOKS = {
  failed: { tone: "bad", icon: "cross" },
  quarantined: { tone: "warn", icon: "warning" },
  skipped: { tone: "idle", icon: "minus" },
  done: { tone: "ok", icon: "check" },
} as const;

export function Items({ job, moving }: { job: Job; moving: boolean }) {
  const items = useItems(job.id, ["failed", "quarantined"], moving);
  const requeue = useRequeue(job.id);
  const ended = isEnded(job.status);
  if (items.isError) return <ProblemNotice problem={problemOf(items.error)} />;
  if (!items.data) return <SkeletonRows rows={4} />;
  const rows = items.data.pages.flatMap((page) => page.items);
  // The items of an ingest job are documents, and their keys the documents' ids.
  const documents = job.kind === "ingest_source";
  if (rows.length === 0) return <Empty>No item failed{moving ? " so far" : ""}.</Empty>;
  return (
    <>
      <table className={table.table}>
        <thead>
          <tr>
            <th>Item</th>
            <th>State</th>
            <th className={table.number}>Tries</th>
            <th className={table.number}>When</th>
            <th>
              <span className="hidden">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((item) => {
            const name = item.label ?? item.key;
            const look = ITEM_LOOKS[item.state as keyof typeof ITEM_LOOKS] ?? ITEM_LOOKS.failed;
            return (
              <tr key={item.key}>
                <td className={table.main}>
                  {documents ? (
                    <Link to={paths.document(item.key)} className={styles.itemName}>
                      <Name>{item.label ?? item.key}</Name>
                    </Link>
                  ) : (
                    <span className={styles.itemName}>{name}</span>
                  )}
                  <span className={styles.itemReason}>
                    {item.error && `${codeWords(item.error.code)}. ${asSentence(item.error.message)}`}
                  </span>
                </td>
                <td>
                  <Status tone={look.tone} icon={look.icon}>
                    {item.state === "quarantined" ? "Set aside" : sentence(item.state)}
                  </Status>
                </td>
                <td className={table.number}>{item.attempts + item.crashes}</td>
                <td className={`${table.number} ${table.dim}`}>
                  <Ago at={item.updated_at} />
                </td>
                <td>
                  {item.retried_in ? (
                    <Link to={paths.job(item.retried_in)}>tried again</Link>
                  ) : (
                    <Button
                      small
                      aria-label={`Retry ${name}`}
                      why={ended ? null : "Once the job has ended: until then it works on its items itself."}
                      busy={requeue.isPending && requeue.variables?.[0] === item.key}
                      onClick={() =>
                        requeue.mutate([item.key], {
                          onSuccess: (made) =>
                            tell(`${name} is tried again.`, { href: paths.job(made.id), action: "Watch" }),
                          onError: (error) => tell(problemLine(error), { tone: "bad" }),
                        })
                      }
                    >
                      Retry
                    </Button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {items.hasNextPage && (
        <div className={table.more}>
          <Button busy={items.isFetchingNextPage} onClick={() => void items.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </>
  );
}

export function Attempts({ job, moving }: { job: Job; moving: boolean }) {
  const attempts = useAttempts(job.id, moving);
  if (attempts.isError) return <ProblemNotice problem={problemOf(attempts.error)} />;
  if (!attempts.data) return <SkeletonRows rows={2} />;
  const rows = attempts.data.items;
  if (rows.length === 0) return <Empty>No worker has taken it yet.</Empty>;
  return (
    <>
      {job.losses > 0 && (
        <p className={styles.dim}>
          {job.losses === 1 ? "One lease was lost and taken back." : `${job.losses} leases were lost and taken back.`}{" "}
          The work went on from its last checkpoint.
        </p>
      )}
      <table className={table.table}>
        <thead>
          <tr>
            <th>Attempt</th>
            <th>Worker</th>
            <th>Ended</th>
            <th className={table.number}>Took</th>
            <th className={table.number}>Started</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((attempt, i) => (
            <tr key={attempt.fence}>
              <td>{i + 1}</td>
              <td className={table.main}>
                <code className={styles.owner}>{attempt.owner}</code>
              </td>
              <td className={styles.ending}>
                {endingWords(attempt.how)}
                {attempt.error && <span className={styles.itemReason}>{attempt.error}</span>}
              </td>
              <td className={table.number}>
                {attempt.ended_at
                  ? duration((Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000)
                  : "–"}
              </td>
              <td className={`${table.number} ${table.dim}`}>
                <Ago at={attempt.started_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
