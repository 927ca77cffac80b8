/** What a run hangs together with, drawn from left to right: who waits for whom. */
import { Link } from "react-router";
import { problemOf } from "@/api/problem";
import type { Job } from "@/api/types";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { JobStatus } from "@/ui/status";
import styles from "./activity.module.css";
import { layered } from "./layers";
import { useGraph } from "./use-activity";

const WIDE = 220;
const HIGH = 56;
const GAP_X = 48;
const GAP_Y = 16;

export function Graph({ job, moving }: { job: Job; moving: boolean }) {
  const graph = useGraph(job.id, moving);
  if (graph.isError) return <ProblemNotice problem={problemOf(graph.error)} />;
  if (!graph.data) return <SkeletonRows rows={3} height={56} />;
  const { nodes, edges, complete } = graph.data;
  if (nodes.length < 2) return <Empty>It waits for no other job, and none waits for it.</Empty>;
  const placed = layered(graph.data);
  const at = new Map(
    placed.map(({ id, column, row }) => [id, { x: column * (WIDE + GAP_X), y: row * (HIGH + GAP_Y) }]),
  );
  const width = Math.max(...placed.map(({ column }) => column)) * (WIDE + GAP_X) + WIDE;
  const height = Math.max(...placed.map(({ row }) => row)) * (HIGH + GAP_Y) + HIGH;
  const title = (id: string) => nodes.find(({ job_id }) => job_id === id)?.title ?? "";
  return (
    <>
      <p className={styles.dim}>
        Each job waits for those to its left. Dashed: however they end; otherwise they have to succeed.
        {!complete && " Only the nearest 200 jobs are shown."}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className={styles.graph} aria-label="Jobs that wait for each other" tabIndex={0}>
        <div className={styles.graphField} style={{ width, height }}>
          <svg width={width} height={height} className={styles.graphLines} aria-hidden="true">
            {edges.map(({ waited_for, waits, on_end }) => {
              const from = at.get(waited_for);
              const to = at.get(waits);
              if (!from || !to) return null;
              const x1 = from.x + WIDE;
              const y1 = from.y + HIGH / 2;
              const y2 = to.y + HIGH / 2;
              const bend = x1 + GAP_X / 2;
              return (
                <path
                  key={`${waited_for}-${waits}`}
                  d={`M${x1} ${y1} C${bend} ${y1} ${bend} ${y2} ${to.x} ${y2}`}
                  strokeDasharray={on_end === "finished" ? "4 3" : undefined}
                />
              );
            })}
          </svg>
          <ul>
            {nodes.map((node) => {
              const place = at.get(node.job_id);
              const before = edges.filter((edge) => edge.waits === node.job_id).map((edge) => title(edge.waited_for));
              return (
                <li
                  key={node.job_id}
                  className={`${styles.node} ${node.job_id === job.id ? styles.nodeHere : ""}`}
                  style={{ left: place?.x, top: place?.y, width: WIDE, height: HIGH }}
                >
                  <Link
                    to={paths.job(node.job_id, { tab: "graph" })}
                    className={styles.nodeName}
                    aria-current={node.job_id === job.id ? "true" : undefined}
                    title={before.length > 0 ? `Waits for ${before.join(", ")}` : undefined}
                  >
                    {node.title || sentence(node.kind)}
                  </Link>
                  <JobStatus status={node.status} outcome={node.outcome} />
                </li>
              );
            })}
          </ul>
        </div>
      </section>
    </>
  );
}
