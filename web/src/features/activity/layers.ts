/** Where the jobs of a dependency graph stand: in columns, each to the right of all it waits for. Pure. */
import type { JobGraph } from "@/api/types";

export type Placed = { id: string; column: number; row: number };

/** Columns from the left, rows from the top; within a column in the order given. A cycle, which the engine refuses, ends somewhere. */
export function layered({ nodes, edges }: Pick<JobGraph, "nodes" | "edges">): Placed[] {
  const column = new Map(nodes.map(({ job_id }) => [job_id, 0]));
  for (let round = 0; round < nodes.length; round++) {
    let moved = false;
    for (const { waited_for, waits } of edges) {
      const least = (column.get(waited_for) ?? 0) + 1;
      if ((column.get(waits) ?? least) < least) {
        column.set(waits, least);
        moved = true;
      }
    }
    if (!moved) break;
  }
  const filled = new Map<number, number>();
  return nodes.map(({ job_id }) => {
    const at = column.get(job_id) ?? 0;
    const row = filled.get(at) ?? 0;
    filled.set(at, row + 1);
    return { id: job_id, column: at, row };
  });
}
