/** Says what a part that is away means for jobs, for as long as it is away. */
import { useAway, useWorkers } from "@/api/queries";
import type { Worker } from "@/api/types";
import { Notice } from "@/ui/notice";

const MEANS: Record<string, string> = {
  redis: "Live updates are away: reload this page to see how jobs stand. The jobs go on.",
  broker: "Workers are not told of new jobs: they find them by themselves, some seconds later.",
  vectors: "The search index does not answer: searches are refused, and jobs that write to it try again.",
  disk: "The server's disk is nearly full or read-only: uploads and jobs may have to wait.",
  database: "The database cannot be written: searches go on, changes and jobs wait.",
  blobs: "The store of originals does not answer: jobs that need it try again.",
};

export function PartsAway() {
  const away = useAway();
  const workers = useWorkers({ enabled: away.includes("workers") });
  const lines = away.flatMap((name) => {
    if (name !== "workers") return MEANS[name] ?? [];
    // Until it is known which it is, neither is said.
    return workers.data || workers.isError ? whyNoWorker(workers.data?.items ?? []) : [];
  });
  if (lines.length === 0) return null;
  return (
    <Notice tone="warn" icon="warning">
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </Notice>
  );
}

function whyNoWorker(workers: readonly Worker[]): string {
  return workers.some(({ state }) => state === "draining")
    ? "All workers are draining: resume one, or start another. Jobs wait until then."
    : "No worker has been seen for a minute: jobs wait until one is there.";
}
