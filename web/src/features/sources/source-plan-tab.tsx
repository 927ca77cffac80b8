/** What a sync would do, before it does it. */
import { Link, useNavigate, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Plan } from "@/api/types";
import { count, counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { FormActions } from "@/ui/field";
import { Notice, ProblemNotice } from "@/ui/notice";
import { SkeletonText } from "@/ui/skeleton";
import { tell } from "@/ui/toast";
import { Expected } from "./expected";
import styles from "./sources.module.css";
import { usePlan, useSource, useSync } from "./use-sources";

export function SourcePlanTab() {
  const { collection = "", source = "" } = useParams();
  const navigate = useNavigate();
  const about = useSource(source);
  const plan = usePlan(source);
  const sync = useSync();
  const counts = plan.data?.counts;
  const held = plan.data?.held_deletions ?? 0;
  const start = (deleting: number | null) =>
    sync.mutate(
      { source, deleting },
      {
        onSuccess: (job) => navigate(paths.job(job.job_id)),
        onError: (error) => tell(problemLine(error), { tone: "bad" }),
      },
    );
  const changes = counts ? counts.added + counts.modified + counts.moved + counts.deleted : 0;

  return (
    <div className={styles.narrow}>
      <h2 className={styles.title}>What a sync of “{about.data?.name ?? "this source"}” would do</h2>
      {plan.isError && (
        <ProblemNotice
          problem={problemOf(plan.error)}
          actions={
            <Link to={paths.sourceSettings(collection, source)} className={buttonClass("plain", true)}>
              Change the source
            </Link>
          }
        />
      )}
      {plan.isFetching && !plan.data && (
        <>
          <p className={styles.dim}>Reading the folder and a few of its documents…</p>
          <SkeletonText lines={4} />
        </>
      )}
      {plan.data && counts && (
        <>
          <p>
            {changes === 0
              ? `Nothing: all ${counted(counts.unchanged, "document")} are as they were.`
              : `${counted(changes, "change")}; ${counted(counts.unchanged, "document")} stay as they are.`}
          </p>
          {plan.data.estimate && <Expected estimate={plan.data.estimate} />}
          <PlanView plan={plan.data} />
          {held > 0 && (
            <Notice tone="warn" icon="warning">
              {held === counts.deleted + counts.unchanged + counts.modified + counts.moved
                ? `The source lists none of its ${counted(held, "document")} any more.`
                : `The source no longer lists ${counted(held, "document")}.`}{" "}
              An unmounted or emptied folder looks the same, so a sync keeps them. Bring the folder back and look again,
              or delete them.
            </Notice>
          )}
          <FormActions>
            <Button
              look="primary"
              busy={sync.isPending}
              why={changes === held ? "There is nothing to do." : null}
              onClick={() => start(null)}
            >
              {held > 0 ? `Sync, keep the ${count(held)}` : "Sync now"}
            </Button>
            {held > 0 && (
              <Button look="danger" busy={sync.isPending} onClick={() => start(held)}>
                Sync and delete {counted(held, "document")}
              </Button>
            )}
            <Button icon="retry" busy={plan.isFetching} onClick={() => void plan.refetch()}>
              Look again
            </Button>
            <Link to={paths.collectionSources(collection)} className={buttonClass("quiet")}>
              Not now
            </Link>
          </FormActions>
        </>
      )}
    </div>
  );
}

export function PlanView({ plan }: { plan: Plan }) {
  const { counts } = plan;
  return (
    <div className={styles.plan}>
      <Part title="Added" total={counts.added} paths={plan.added} />
      <Part title="Modified" total={counts.modified} paths={plan.modified} />
      <Part title="Moved" total={counts.moved} paths={plan.moved.map(({ from, to }) => `${from} → ${to}`)} />
      <Part title="Deleted" total={counts.deleted} paths={plan.deleted} />
    </div>
  );
}

function Part({ title, total, paths: names }: { title: string; total: number; paths: readonly string[] }) {
  if (total === 0) return null;
  return (
    <details open={total <= 12} className={styles.part}>
      <summary>
        {title} <span className={styles.dim}>{count(total)}</span>
      </summary>
      <ul className={styles.names}>
        {names.map((name) => (
          <li key={name}>{name}</li>
        ))}
        {total > names.length && <li className={styles.dim}>and {count(total - names.length)} more</li>}
      </ul>
    </details>
  );
}
