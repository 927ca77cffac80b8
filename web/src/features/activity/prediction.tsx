/** What a job was expected to take against what it took, and the budget that paused it. */
import { useState } from "react";
import { problemLine } from "@/api/problem";
import type { Job } from "@/api/types";
import { about, between, bytes, duration, roughly } from "@/lib/format";
import { isEnded } from "@/lib/words";
import { Button } from "@/ui/button";
import { Form, FormActions, TextField } from "@/ui/field";
import { Notice } from "@/ui/notice";
import { tell } from "@/ui/toast";
import styles from "./activity.module.css";
import { useRaise } from "./use-activity";

const NAMES: Record<string, string> = {
  items: "items",
  minutes: "minutes",
  chunks: "passages",
  tokens: "tokens",
  cost: "price",
  disk_bytes: "disk",
};

const seconds = (minutes: number) => minutes * 60;

function words(meter: string, low: number, high: number): string {
  if (meter === "minutes") return between(seconds(low), seconds(high), roughly);
  if (meter === "disk_bytes") return between(low, high, bytes);
  const range = between(low, high, about);
  return meter === "cost" ? `a price of ${range}` : `${range} ${NAMES[meter] ?? meter}`;
}

function actual(meter: string, amount: number): string {
  if (meter === "minutes") return duration(seconds(amount));
  return meter === "cost" ? `a price of ${about(amount)}` : `${about(amount)} ${NAMES[meter] ?? meter}`;
}

/** "Predicted 3–5 min, took 4 min 10 s." One sentence a meter, time first; what is not counted is only predicted. */
export function predicted(job: Job): string[] {
  const meters = Object.keys(job.estimate ?? {}).sort((a, b) => Number(b === "minutes") - Number(a === "minutes"));
  return meters.flatMap((meter) => {
    const [low = 0, , high = low] = job.estimate?.[meter] ?? [];
    const came = job.spent[meter];
    if (!isEnded(job.status) || came === undefined) return [`Predicted ${words(meter, low, high)}.`];
    const verb = meter === "minutes" ? "took" : "came to";
    return [`Predicted ${words(meter, low, high)}, ${verb} ${actual(meter, came)}.`];
  });
}

export function Prediction({ job }: { job: Job }) {
  const lines = predicted(job);
  if (lines.length === 0) return null;
  return (
    <details className={styles.dim}>
      <summary>{lines[0]}</summary>
      <ul>
        {lines.slice(1).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </details>
  );
}

/** For a job that its budget paused: why, and the way on. */
export function BudgetPause({ job }: { job: Job }) {
  const raise = useRaise(job.id);
  const reached = Object.entries(job.budget ?? {}).find(([meter, limit]) => near(job.spent[meter] ?? 0, limit));
  const [meter, limit] = reached ?? ["", 0];
  const [text, setText] = useState<string | null>(null);
  if (job.paused_by !== "budget") return null;
  const shown = text ?? String(limit * 2);
  const wanted = Number(shown.replaceAll(",", ""));
  const bad = !(wanted > limit);
  return (
    <Notice tone="warn" icon="pause">
      <p>{job.message}</p>
      {reached && (
        <Form
          onSubmit={() => {
            if (bad) return;
            raise.mutate(
              { ...job.budget, [meter]: wanted },
              { onSuccess: () => tell("It goes on."), onError: (error) => tell(problemLine(error), { tone: "bad" }) },
            );
          }}
        >
          <TextField
            label={`New limit of ${NAMES[meter] ?? meter}`}
            inputMode="decimal"
            value={shown}
            error={bad ? `Write more than ${about(limit)}.` : null}
            onChange={(e) => setText(e.target.value)}
          />
          <FormActions>
            <Button type="submit" busy={raise.isPending}>
              Raise and resume
            </Button>
          </FormActions>
        </Form>
      )}
    </Notice>
  );
}

/** Whether so much of a limit is gone that it is the one that stopped the job: nothing else fits into the rest. */
function near(spent: number, limit: number): boolean {
  return spent >= limit * 0.5;
}
