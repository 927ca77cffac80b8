/** What can be done to all jobs that the filter shows; asked for once more before it is done. */
import { useState } from "react";
import { problemLine } from "@/api/problem";
import { counted } from "@/lib/format";
import { PRIORITIES, priorityWord, verbWord } from "@/lib/words";
import { Button } from "@/ui/button";
import { Picker } from "@/ui/field";
import { tell } from "@/ui/toast";
import styles from "./activity.module.css";
import { type BulkVerb, type JobFilter, useBulk } from "./use-activity";

const VERBS: readonly BulkVerb[] = ["pause", "resume", "cancel", "retry", "restart", "priority", "delete"];

/** Shown once a filter is set: a verb on everything there is would be too near to hand. */
export function Bulk({ filter, verbs }: { filter: JobFilter; verbs: Record<string, number> }) {
  const bulk = useBulk();
  const [asked, setAsked] = useState<BulkVerb | null>(null);
  const [priority, setPriority] = useState(1);
  const possible = VERBS.filter((verb) => (verbs[verb] ?? 0) > 0);
  if (possible.length === 0) return null;
  if (!asked || !possible.includes(asked))
    return (
      <p className={styles.bulk}>
        All of these:
        {possible.map((verb) => (
          <Button key={verb} small onClick={() => setAsked(verb)}>
            {`${verbWord(verb)} ${verbs[verb]?.toLocaleString("en-GB")}`}
          </Button>
        ))}
      </p>
    );
  const many = counted(verbs[asked] ?? 0, "job");
  return (
    <p className={styles.bulk}>
      {asked === "priority" ? `Change the priority of ${many}?` : `${verbWord(asked)} ${many}?`}
      {asked === "priority" && (
        <Picker label="Priority" value={priority} onChange={(e) => setPriority(Number(e.target.value))}>
          {PRIORITIES.map((value) => (
            <option key={value} value={value}>
              {priorityWord(value)}
            </option>
          ))}
        </Picker>
      )}
      <Button
        small
        look={asked === "delete" || asked === "cancel" ? "danger" : "plain"}
        busy={bulk.isPending}
        onClick={() =>
          bulk.mutate(
            { filter, verb: asked, priority: asked === "priority" ? priority : null },
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
        {asked === "priority" ? `Set for ${many}` : `${verbWord(asked)} ${many}`}
      </Button>
      <Button small look="quiet" onClick={() => setAsked(null)}>
        Leave them
      </Button>
    </p>
  );
}
