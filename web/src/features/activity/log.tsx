/** The log of a run: newest first, narrowed by level in the URL. */
import { useSearchParams } from "react-router";
import { problemOf } from "@/api/problem";
import type { Job } from "@/api/types";
import { exact } from "@/lib/format";
import { withParam } from "@/lib/paths";
import { Button } from "@/ui/button";
import { Picker } from "@/ui/field";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import table from "@/ui/table.module.css";
import styles from "./activity.module.css";
import { useLog } from "./use-activity";

const LEVELS = [
  ["info", "All lines"],
  ["warning", "Warnings and errors"],
  ["error", "Errors only"],
] as const;
type Level = (typeof LEVELS)[number][0];

export function Log({ job, moving }: { job: Job; moving: boolean }) {
  const [params, setParams] = useSearchParams();
  const level: Level = LEVELS.find(([name]) => name === params.get("level"))?.[0] ?? "info";
  const log = useLog(job.id, level, moving);
  const lines = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <div className={styles.logBar}>
        <Picker
          label="Level"
          value={level}
          onChange={(event) =>
            setParams((old) => withParam(old, "level", event.target.value === "info" ? null : event.target.value))
          }
        >
          {LEVELS.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </Picker>
        <span className={styles.dim}>Newest first</span>
      </div>
      {log.isError && <ProblemNotice problem={problemOf(log.error)} />}
      {log.isPending && <SkeletonRows rows={6} height={28} />}
      {log.data && lines.length === 0 && (
        <Empty>{level === "info" ? "Nothing was said yet." : "No line of this level."}</Empty>
      )}
      {lines.length > 0 && (
        <ol className={styles.log}>
          {lines.map((line) => (
            <li key={line.seq} className={styles.logLine}>
              <time dateTime={line.at} title={exact(line.at)} className={styles.eventTime}>
                {new Date(line.at).toLocaleTimeString("en-GB")}
              </time>
              <span className={line.level === "error" ? styles.failed : line.level === "warning" ? styles.warned : ""}>
                {line.level === "info" ? "" : line.level}
              </span>
              <span className={styles.logText}>{line.text}</span>
            </li>
          ))}
        </ol>
      )}
      {log.hasNextPage && (
        <div className={table.more}>
          <Button small busy={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            Show earlier lines
          </Button>
        </div>
      )}
    </>
  );
}
