/** All jobs of the workspace, live. */
import { useRef } from "react";
import { Link, useSearchParams } from "react-router";
import { problemOf } from "@/api/problem";
import { useAllCollections } from "@/api/queries";
import { count } from "@/lib/format";
import { paths, withParam } from "@/lib/paths";
import { isActive, sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { CollectionPicker } from "@/ui/collection-picker";
import { Bar, Counters, Pickers } from "@/ui/counters";
import { Picker } from "@/ui/field";
import { Empty, ProblemNotice } from "@/ui/notice";
import { Progress } from "@/ui/progress";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { useListKeys } from "@/ui/use-list-keys";
import styles from "./activity.module.css";
import { Bulk } from "./bulk";
import { counters, pace, under } from "./say";
import { useJobs } from "./use-activity";

export function JobsTab() {
  const [params, setParams] = useSearchParams();
  const filter = { status: params.get("status"), kind: params.get("kind"), collection: params.get("collection") };
  const list = useJobs(filter);
  const collections = useAllCollections();
  const rows = useRef<HTMLTableSectionElement>(null);
  useListKeys(rows);

  const jobs = list.data?.pages.flatMap((page) => page.items) ?? [];
  const summary = list.data?.pages[0]?.summary ?? {};
  const filtered = Object.values(filter).some(Boolean);
  const kinds = [...new Set([...(list.data?.pages[0]?.kinds ?? []), ...(filter.kind ? [filter.kind] : [])])].sort();
  const set = (name: string, value: string) => setParams((old) => withParam(old, name, value));

  return (
    <>
      <Bar>
        <Counters
          label="Jobs by status"
          counters={counters({
            ...(filter.status ? { [filter.status]: summary[filter.status] ?? 0 } : {}),
            ...summary,
          })}
          chosen={filter.status}
          onChoose={(status) => set("status", status)}
        />
        <Pickers>
          <Picker label="Kind" value={filter.kind ?? ""} onChange={(e) => set("kind", e.target.value)}>
            <option value="">Any kind</option>
            {kinds.map((kind) => (
              <option key={kind} value={kind}>
                {sentence(kind)}
              </option>
            ))}
          </Picker>
          <CollectionPicker
            value={filter.collection ?? ""}
            collections={collections.data?.items}
            onChoose={(id) => set("collection", id)}
          />
        </Pickers>
      </Bar>
      {filtered && list.data && <Bulk filter={filter} verbs={list.data.pages[0]?.verbs ?? {}} />}
      {list.isError && (
        <ProblemNotice
          problem={problemOf(list.error)}
          actions={
            <Button small icon="retry" onClick={() => void list.refetch()}>
              Try again
            </Button>
          }
        />
      )}
      {list.isPending && <SkeletonRows rows={6} height={64} />}
      {list.data && jobs.length === 0 && (
        <Empty action={filtered ? <Button onClick={() => setParams({})}>Show all jobs</Button> : undefined}>
          {filtered
            ? "No job matches these filters."
            : "No jobs yet. Adding documents, syncing a source and deleting a collection run as jobs and appear here."}
        </Empty>
      )}
      {jobs.length > 0 && (
        <table className={`${table.table} ${styles.jobs}`}>
          <thead>
            <tr>
              <th>Job</th>
              <th>Progress</th>
              <th className={table.number}>Created</th>
              <th>Status</th>
            </tr>
          </thead>
          <tbody ref={rows}>
            {jobs.map((job) => (
              <tr key={job.id}>
                <td className={table.main}>
                  <Link to={paths.job(job.id)} className={table.link} data-row="">
                    {job.title || sentence(job.kind)}
                  </Link>
                  <span className={table.under}>{under(job)}</span>
                </td>
                <td className={styles.progressCell}>
                  {isActive(job.status) && <Progress value={job.progress} label={`Progress of ${job.title}`} thin />}
                  <span className={styles.pace}>
                    {pace(job)}
                    {job.counts.failed + job.counts.quarantined > 0 && (
                      <span className={styles.failed}>
                        {" "}
                        · {count(job.counts.failed + job.counts.quarantined)} failed
                      </span>
                    )}
                  </span>
                </td>
                <td className={`${table.number} ${table.dim}`}>
                  <Ago at={job.created_at} />
                </td>
                <td>
                  <JobStatus status={job.display_status} outcome={job.outcome} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <div className={table.more}>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show 50 more
          </Button>
        </div>
      )}
    </>
  );
}
