/** One schedule: its next five runs, its last ones, and its verbs. */
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Schedule, ScheduleRun } from "@/api/types";
import { exact } from "@/lib/format";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmName } from "@/ui/confirm-name";
import { Empty, ProblemNotice } from "@/ui/notice";
import { Fact, Facts, Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus, Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { moment, OVERLAPS, rhythm } from "./say";
import { type ScheduleDraft, ScheduleForm } from "./schedule-form";
import styles from "./schedules.module.css";
import { type Act, useAct, useChangeSchedule, useRuns, useSchedule } from "./use-schedules";

export function ScheduleTab() {
  const { schedule: id = "" } = useParams();
  const query = useSchedule(id);
  const [editing, setEditing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const act = useAct(id);
  const navigate = useNavigate();
  const schedule = query.data;
  if (query.isError && !schedule)
    return (
      <ProblemNotice
        problem={problemOf(query.error)}
        actions={
          <Link to={paths.schedules()} className={buttonClass()}>
            All schedules
          </Link>
        }
      />
    );
  if (!schedule) return <SkeletonRows rows={5} />;
  const does = (verb: Act) =>
    act.mutate(verb, {
      onSuccess: (job) => {
        if (verb === "delete") {
          tell(`“${schedule.name}” was deleted. Jobs that it made stay.`);
          navigate(paths.schedules());
        } else if (job) tell(`“${schedule.name}” runs now.`, { href: paths.job(job), action: "Watch" });
      },
      onError: (error) => tell(problemLine(error), { tone: "bad" }),
    });
  const busy = (verb: Act) => act.isPending && act.variables === verb;
  return (
    <>
      <header className={styles.head}>
        <h2>{schedule.name}</h2>
        <span className={styles.actions}>
          <Button icon="play" busy={busy("run-now")} onClick={() => does("run-now")}>
            Run now
          </Button>
          {schedule.paused_at ? (
            <Button icon="play" busy={busy("resume")} onClick={() => does("resume")}>
              Resume
            </Button>
          ) : (
            <Button icon="pause" busy={busy("pause")} onClick={() => does("pause")}>
              Pause
            </Button>
          )}
          <Button aria-expanded={editing} onClick={() => setEditing(!editing)}>
            Change
          </Button>
          <Button look="danger" aria-expanded={deleting} onClick={() => setDeleting(!deleting)}>
            Delete
          </Button>
        </span>
      </header>
      {deleting && (
        <ConfirmName
          name={schedule.name}
          what="It starts nothing any more. Jobs that it made stay."
          action="Delete schedule"
          busy={busy("delete")}
          onConfirm={() => does("delete")}
          onCancel={() => setDeleting(false)}
        />
      )}
      {editing && <Change schedule={schedule} onDone={() => setEditing(false)} />}
      {!editing && (
        <Facts>
          <Fact name="Starts">{sentence(schedule.kind)}</Fact>
          {Object.entries(schedule.params).map(([name, value]) => (
            <Fact key={name} name={sentence(name)}>
              <code>{typeof value === "string" ? value : JSON.stringify(value)}</code>
            </Fact>
          ))}
          <Fact name="Rhythm">{rhythm(schedule)}</Fact>
          <Fact name="While the last runs">
            {OVERLAPS[schedule.overlap as keyof typeof OVERLAPS] ?? schedule.overlap}
          </Fact>
          <Fact name="Next five runs">
            {schedule.paused_at ? (
              <>
                <Status tone="warn" icon="pause">
                  Paused
                </Status>{" "}
                since <Ago at={schedule.paused_at} />
              </>
            ) : (
              <ol className={styles.times}>
                {schedule.next_five.map((at) => (
                  <li key={at}>
                    <time dateTime={at} title={exact(at)}>
                      {moment(at, schedule.timezone)}
                    </time>
                  </li>
                ))}
              </ol>
            )}
          </Fact>
          <Fact name="Last run">
            {schedule.last_job ? (
              <>
                <Link to={paths.job(schedule.last_job.job_id)}>
                  <Ago at={schedule.last_job.created_at} />
                </Link>{" "}
                <JobStatus status={schedule.last_job.status} outcome={schedule.last_job.outcome} />
              </>
            ) : (
              "Not yet"
            )}
          </Fact>
        </Facts>
      )}
      <Section title="Times that came">
        <Runs schedule={id} timezone={schedule.timezone} />
      </Section>
    </>
  );
}

function Change({ schedule, onDone }: { schedule: Schedule; onDone: () => void }) {
  const change = useChangeSchedule(schedule.id);
  const [draft, setDraft] = useState<ScheduleDraft>({
    name: schedule.name,
    kind: schedule.kind,
    how: schedule.cron ? "cron" : "every",
    cron: schedule.cron ?? "0 3 * * *",
    minutes: String((schedule.every_s ?? 3600) / 60),
    timezone: schedule.timezone,
    overlap: schedule.overlap as ScheduleDraft["overlap"],
    params: Object.fromEntries(Object.entries(schedule.params).map(([name, value]) => [name, String(value)])),
    json: JSON.stringify(schedule.params, null, 2),
  });
  return (
    <ScheduleForm
      draft={draft}
      set={(field, value) => setDraft((old) => ({ ...old, [field]: value }))}
      fixedKind
      problem={change.error ? problemOf(change.error) : null}
      busy={change.isPending}
      action="Save schedule"
      onCancel={onDone}
      onSubmit={({ cron, every_s, timezone }, params) =>
        change.mutate(
          {
            name: draft.name.trim(),
            params,
            ...(cron ? { cron } : { every_s }),
            timezone,
            overlap: draft.overlap,
          },
          {
            onSuccess: () => {
              tell("Saved.");
              onDone();
            },
          },
        )
      }
    />
  );
}

const WORDS: Record<string, string> = {
  left_out: "Left out: the last run had not ended, or the time was missed",
  gone: "Ran; the job was deleted since",
};

function Runs({ schedule, timezone }: { schedule: string; timezone: string }) {
  const runs = useRuns(schedule);
  if (runs.isError) return <ProblemNotice problem={problemOf(runs.error)} />;
  if (!runs.data) return <SkeletonRows rows={3} />;
  if (runs.data.items.length === 0) return <Empty>It has not fired yet.</Empty>;
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th>Time</th>
          <th>Became</th>
        </tr>
      </thead>
      <tbody>
        {runs.data.items.map((run) => (
          <tr key={run.fire_at}>
            <td className={table.dim}>
              <Time run={run} timezone={timezone} />
            </td>
            <td className={table.main}>
              {WORDS[run.status] ?? <JobStatus status={run.status} outcome={run.outcome} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Time({ run, timezone }: { run: ScheduleRun; timezone: string }) {
  const words = moment(run.fire_at, timezone);
  if (!run.job_id || run.status === "gone") return words;
  return (
    <Link to={paths.job(run.job_id)} className={table.link}>
      {words}
    </Link>
  );
}
