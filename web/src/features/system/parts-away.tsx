/** Says what a part that is away means for jobs, for as long as it is away. */
import { useReady } from "@/api/queries";
import { Notice } from "@/ui/notice";

const MEANS: Record<string, string> = {
  redis: "Live updates are away: reload this page to see how jobs stand. The jobs go on.",
  broker: "Workers are not told of new jobs: they find them by themselves, some seconds later.",
  workers: "No worker has been seen for a minute: jobs wait until one is there.",
  vectors: "The search index does not answer: searches are refused, and jobs that write to it try again.",
  blobs: "The store of originals does not answer: jobs that need it try again.",
};

export function PartsAway() {
  const ready = useReady();
  const away = ready.data?.parts.filter(({ name, state }) => name in MEANS && state !== "ok") ?? [];
  if (away.length === 0) return null;
  return (
    <Notice tone="warn" icon="warning">
      {away.map(({ name }) => (
        <p key={name}>{MEANS[name]}</p>
      ))}
    </Notice>
  );
}
