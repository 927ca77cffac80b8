/** One run: how far it is, what it does now, what went wrong, who worked on it, and what can be done. */
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { useCollection, useJob } from "@/api/queries";
import type { Job, JobDetail } from "@/api/types";
import { asSentence, clock, count, counted, day, duration } from "@/lib/format";
import { paths } from "@/lib/paths";
import { isActive, isEnded, PRIORITIES, priorityWord, sentence, verbWord } from "@/lib/words";
import { Button, buttonClass } from "@/ui/button";
import { Picker } from "@/ui/field";
import { Notice, ProblemNotice } from "@/ui/notice";
import { Fact, Facts, Page } from "@/ui/page";
import { Progress } from "@/ui/progress";
import { Skeleton, SkeletonRows } from "@/ui/skeleton";
import { JobStatus } from "@/ui/status";
import { Tabs, tabClass, tabCountClass } from "@/ui/tabs";
import { Ago, useNow } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./activity.module.css";
import { Graph } from "./graph";
import { Attempts, Items, Timeline } from "./job-parts";
import { Log } from "./log";
import { BudgetPause, Prediction } from "./prediction";
import { elapsed, offReasons, pace } from "./say";
import { ALL_VERBS, useAttempts, useSetPriority, useVerb } from "./use-activity";

const TABS = ["timeline", "log", "items", "attempts", "graph", "details"] as const;

export function JobPage() {
  const { job: id = "" } = useParams();
  const [params] = useSearchParams();
  const query = useJob(id);
  const attempts = useAttempts(id, query.data ? !isEnded(query.data.status) : false);
  const job = query.data;
  const moving = job ? !isEnded(job.status) : false;
  const tab = TABS.find((name) => name === params.get("tab")) ?? "timeline";
  const now = useNow(job ? isActive(job.status) : false);

  if (query.isError && !job)
    return (
      <Page title="Job">
        <ProblemNotice
          problem={problemOf(query.error)}
          actions={
            <Link to={paths.jobs()} className={buttonClass()}>
              All jobs
            </Link>
          }
        />
      </Page>
    );
  if (!job)
    return (
      <Page title="Job" heading={<Skeleton width="280px" label="Job" />}>
        <Skeleton height="6px" />
        <SkeletonRows rows={5} />
      </Page>
    );

  const took = elapsed(job, now);
  const trouble = job.counts.failed + job.counts.quarantined;
  return (
    <Page
      title={job.title || sentence(job.kind)}
      lead={
        <span className={styles.lead}>
          <JobStatus status={job.display_status} outcome={job.outcome} />
          {took !== null && (
            <span title="Time since it started">{isEnded(job.status) ? duration(took) : clock(took)}</span>
          )}
          {job.collection_id && <CollectionName collection={job.collection_id} />}
        </span>
      }
      actions={<Verbs job={job} />}
    >
      <div className={styles.run}>
        {(isActive(job.status) || job.progress !== null) && <Progress value={job.progress} label="Progress" />}
        <p className={styles.paceLine}>
          <span>{pace(job) || (job.status === "queued" ? "Waits for a free worker." : " ")}</span>
          {isActive(job.status) && job.message && <span className={styles.now}>now: {job.message}</span>}
        </p>
      </div>
      {job.error && (
        <Notice tone="bad" icon="cross">
          <p>{asSentence(job.error.message)}</p>
          <p className={styles.dim}>
            <code>{job.error.code}</code>
          </p>
        </Notice>
      )}
      {job.repeated_in.length > 0 && (
        <Notice icon="retry">
          <p>It, or what failed in it, was tried again in:</p>
          <Repeats job={job} />
        </Notice>
      )}
      <Prediction job={job} />
      <BudgetPause job={job} />
      <WhyNot job={job} />
      <Tabs label="Job">
        <TabLink id={id} name="timeline" current={tab}>
          Timeline
        </TabLink>
        <TabLink id={id} name="log" current={tab}>
          Log
        </TabLink>
        <TabLink id={id} name="items" current={tab} n={trouble}>
          Failed items
        </TabLink>
        <TabLink id={id} name="attempts" current={tab} n={attempts.data?.items.length}>
          Attempts
        </TabLink>
        {(job.waits_for.length > 0 || job.waited_for_by.length > 0 || tab === "graph") && (
          <TabLink id={id} name="graph" current={tab}>
            Graph
          </TabLink>
        )}
        <TabLink id={id} name="details" current={tab}>
          Details
        </TabLink>
      </Tabs>
      {tab === "timeline" && <Timeline job={job} moving={moving} />}
      {tab === "log" && <Log job={job} moving={moving} />}
      {tab === "graph" && <Graph job={job} moving={moving} />}
      {tab === "items" && <Items job={job} moving={moving} />}
      {tab === "attempts" && <Attempts job={job} moving={moving} />}
      {tab === "details" && <Details job={job} />}
    </Page>
  );
}

function TabLink({
  id,
  name,
  current,
  n,
  children,
}: {
  id: string;
  name: string;
  current: string;
  n?: number;
  children: string;
}) {
  return (
    <Link
      to={paths.job(id, { tab: name === "timeline" ? null : name })}
      className={tabClass}
      aria-current={name === current ? "page" : undefined}
      preventScrollReset
    >
      {children}
      {n ? <span className={tabCountClass}>{count(n)}</span> : null}
    </Link>
  );
}

function CollectionName({ collection }: { collection: string }) {
  const query = useCollection(collection);
  if (!query.data) return null;
  return <Link to={paths.collection(collection)}>{query.data.name}</Link>;
}

function Verbs({ job }: { job: Job }) {
  const verb = useVerb(job.id);
  const navigate = useNavigate();
  // What can be done, and the two that people look for while it lives even when they are off.
  const shown = ALL_VERBS.filter(
    (name) => job.allowed.includes(name) || (!isEnded(job.status) && (name === "pause" || name === "cancel")),
  );
  return shown.map((name) => (
    <Button
      key={name}
      icon={
        name === "pause"
          ? "pause"
          : name === "resume"
            ? "play"
            : name === "cancel"
              ? "stop"
              : name === "delete"
                ? undefined
                : "retry"
      }
      look={name === "delete" ? "danger" : "plain"}
      busy={verb.isPending && verb.variables === name}
      why={job.allowed.includes(name) ? null : asSentence(job.why_not[name] ?? "not possible in this state")}
      onClick={() =>
        verb.mutate(name, {
          onSuccess: (made) => {
            if (name === "delete") navigate(paths.jobs());
            if (name === "retry-failed" && made)
              tell("Its failed items are tried again in a new job.", { href: paths.job(made.id), action: "Watch" });
          },
          onError: (error) => tell(problemLine(error), { tone: "bad" }),
        })
      }
    >
      {verbWord(name)}
    </Button>
  ));
}

/** The reasons in words, for who cannot hover. */
function WhyNot({ job }: { job: Job }) {
  const reasons = offReasons(job);
  if (reasons.length === 0) return null;
  return (
    <details className={styles.whyNot}>
      <summary>What cannot be done now, and why</summary>
      <dl>
        {reasons.map(([reason, verbs]) => (
          <div key={reason}>
            <dt>{verbs.map(verbWord).join(", ")}</dt>
            <dd>{asSentence(reason)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** The jobs that took over from it, newest first. */
function Repeats({ job }: { job: JobDetail }) {
  return (
    <ul>
      {job.repeated_in.map((one) => (
        <li key={one.job_id} className={styles.edge}>
          <Link to={paths.job(one.job_id)}>{one.title || one.job_id}</Link>
          <JobStatus status={one.status} outcome={one.outcome} />
        </li>
      ))}
    </ul>
  );
}

function Details({ job }: { job: JobDetail }) {
  const { counts } = job;
  return (
    <div className={styles.details}>
      <Facts>
        <Fact name="Kind">{sentence(job.kind)}</Fact>
        <Fact name="Queue">
          <Link to={paths.queues()}>{job.queue}</Link>
        </Fact>
        <Fact name="Priority">
          <Priority job={job} />
        </Fact>
        <Fact name="Items">
          {counts.total === null ? "total unknown" : `${count(counts.total)} in all`} · {count(counts.done)} done ·{" "}
          {count(counts.skipped)} skipped · {count(counts.failed)} failed · {count(counts.quarantined)} set aside
        </Fact>
        <Fact name="Attempts that count">
          {job.attempt} of {job.max_attempts}
          {job.losses > 0 && ` · ${counted(job.losses, "lost worker")}`}{" "}
          <span className={styles.dim}>
            one that was handed over, or whose worker was lost, does not count towards the limit
          </span>
        </Fact>
        <Fact name="Created">
          <Ago at={job.created_at} />
        </Fact>
        {job.started_at && (
          <Fact name="Started">
            <Ago at={job.started_at} />
          </Fact>
        )}
        {job.finished_at && (
          <Fact name="Ended">
            <Ago at={job.finished_at} />
          </Fact>
        )}
        <Fact name="Id">
          <code>{job.id}</code>
        </Fact>
        {job.correlation_id && (
          <Fact name="Request">
            <code>{job.correlation_id}</code> <span className={styles.dim}>stands in every log line of this job</span>
          </Fact>
        )}
        {job.parent_id && (
          <Fact name="Made from">
            <Link to={paths.job(job.parent_id)}>an earlier job</Link>
          </Fact>
        )}
      </Facts>
      {job.checkpoint.updated && (
        <>
          <h2>Checkpoint</h2>
          <p>
            {job.checkpoint.total_items === null
              ? `${count(job.checkpoint.current_index)} items are safe`
              : `${count(job.checkpoint.current_index)} of ${count(job.checkpoint.total_items)} items are safe`}
            , kept <Ago at={job.checkpoint.updated} />. After an interruption the job goes on from there.{" "}
            {job.checkpoint.expires ? (
              <>The clean-up may delete the job with it from {day(job.checkpoint.expires)} on.</>
            ) : isEnded(job.status) ? (
              "Nothing cleans up: it stays until somebody deletes the job."
            ) : (
              "It does not expire."
            )}
          </p>
        </>
      )}
      {Object.keys(job.params).length > 0 && (
        <>
          <h2>Parameters</h2>
          <pre className={styles.json}>{JSON.stringify(job.params, null, 2)}</pre>
        </>
      )}
      {job.result !== null && (
        <>
          <h2>Result</h2>
          <pre className={styles.json}>{JSON.stringify(job.result, null, 2)}</pre>
        </>
      )}
    </div>
  );
}

function Priority({ job }: { job: Job }) {
  const set = useSetPriority(job.id);
  if (!job.allowed.includes("priority")) return <>{priorityWord(job.priority)}</>;
  return (
    <Picker
      label="Priority"
      value={job.priority}
      disabled={set.isPending}
      onChange={(event) =>
        set.mutate(Number(event.target.value), { onError: (error) => tell(problemLine(error), { tone: "bad" }) })
      }
    >
      {PRIORITIES.map((value) => (
        <option key={value} value={value}>
          {priorityWord(value)}
        </option>
      ))}
    </Picker>
  );
}
