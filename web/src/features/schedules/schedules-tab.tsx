/** What starts by the clock: when next, and how the last run ended. */
import { Link } from "react-router";
import { problemOf } from "@/api/problem";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button, buttonClass } from "@/ui/button";
import { Bar } from "@/ui/counters";
import { Icon } from "@/ui/icon";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus, Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { moment, rhythm } from "./say";
import styles from "./schedules.module.css";
import { useSchedules } from "./use-schedules";

export function SchedulesTab() {
  const schedules = useSchedules();
  const rows = schedules.data?.items ?? [];
  const add = (
    <Link to={paths.newSchedule()} className={buttonClass()}>
      <Icon name="plus" />
      New schedule
    </Link>
  );
  return (
    <>
      <Bar>
        <span className={styles.note}>
          Jobs that start by the clock. Each time fires once, however many servers run.
        </span>
        {add}
      </Bar>
      {schedules.isError && (
        <ProblemNotice
          problem={problemOf(schedules.error)}
          actions={
            <Button small icon="retry" onClick={() => void schedules.refetch()}>
              Try again
            </Button>
          }
        />
      )}
      {schedules.isPending && <SkeletonRows rows={3} height={56} />}
      {schedules.data && rows.length === 0 && <Empty>Nothing starts by the clock yet.</Empty>}
      {rows.length > 0 && (
        <table className={table.table}>
          <thead>
            <tr>
              <th>Schedule</th>
              <th>Rhythm</th>
              <th>Next run</th>
              <th>Last run</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <td className={table.main}>
                  <Link to={paths.schedule(row.id)} className={table.link} data-row="">
                    {row.name}
                  </Link>
                  <span className={table.under}>{sentence(row.kind)}</span>
                </td>
                <td className={table.dim}>{rhythm(row)}</td>
                <td className={table.dim}>
                  {row.paused_at ? (
                    <Status tone="warn" icon="pause">
                      Paused
                    </Status>
                  ) : row.next_five[0] ? (
                    <time dateTime={row.next_five[0]}>{moment(row.next_five[0], row.timezone)}</time>
                  ) : (
                    "–"
                  )}
                </td>
                <td className={table.dim}>
                  {row.last_job ? (
                    <>
                      <JobStatus status={row.last_job.status} outcome={row.last_job.outcome} />{" "}
                      <Ago at={row.last_job.finished_at ?? row.last_job.created_at} />
                    </>
                  ) : (
                    "Not yet"
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
