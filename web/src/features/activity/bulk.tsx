/** What can be done to all jobs that the filter shows; asked for once more before it is done. */
import { useState } from "react";
import { problemLine } from "@/api/problem";
import { counted } from "@/lib/format";
import { verbWord } from "@/lib/words";
import { Button } from "@/ui/button";
import { tell } from "@/ui/toast";
import styles from "./activity.module.css";
import { type BulkVerb, type JobFilter, useBulk } from "./use-activity";

const VERBS: Record<string, BulkVerb[]> = {
  queued: ["pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  failed: ["retry", "delete"],
  completed: ["delete"],
  cancelled: ["restart", "delete"],
  skipped: ["delete"],
};

export function Bulk({ filter, total }: { filter: JobFilter & { status: string }; total: number }) {
  const bulk = useBulk();
  const [asked, setAsked] = useState<BulkVerb | null>(null);
  const verbs = VERBS[filter.status] ?? [];
  if (verbs.length === 0 || total === 0) return null;
  if (asked)
    return (
      <p className={styles.bulk}>
        {verbWord(asked)} {counted(total, "job")}?
        <Button
          small
          look={asked === "delete" || asked === "cancel" ? "danger" : "plain"}
          busy={bulk.isPending}
          onClick={() =>
            bulk.mutate(
              { filter, verb: asked },
              {
                onSuccess: ({ changed, refused }) => {
                  setAsked(null);
                  tell(
                    refused > 0
                      ? `${counted(changed, "job")} changed, ${counted(refused, "job")} could not be.`
                      : `${counted(changed, "job")} changed.`,
                  );
                },
                onError: (error) => tell(problemLine(error), { tone: "bad" }),
              },
            )
          }
        >
          {verbWord(asked)} {counted(total, "job")}
        </Button>
        <Button small look="quiet" onClick={() => setAsked(null)}>
          Leave them
        </Button>
      </p>
    );
  return (
    <p className={styles.bulk}>
      All {counted(total, `${filter.status} job`)}:
      {verbs.map((verb) => (
        <Button key={verb} small onClick={() => setAsked(verb)}>
          {verbWord(verb)}
        </Button>
      ))}
    </p>
  );
}
