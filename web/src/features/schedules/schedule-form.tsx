/** The fields of a schedule, for making and for changing: what runs, when, and what happens when the last run is not over. */
import { useState } from "react";
import { type Problem, problemOf } from "@/api/problem";
import type { JobKind } from "@/api/types";
import { asSentence } from "@/lib/format";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { CheckField, Form, FormActions, SelectField, TextArea, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { moment, OVERLAPS, type Overlap, paramsOf, typed } from "./say";
import styles from "./schedules.module.css";
import { SourceField } from "./source-field";
import { type Times, useKinds, useTimes } from "./use-schedules";

export type ScheduleDraft = {
  name: string;
  kind: string;
  how: "cron" | "every";
  cron: string;
  minutes: string;
  timezone: string;
  overlap: Overlap;
  params: Record<string, string>;
  json: string;
};

export const EMPTY: ScheduleDraft = {
  name: "",
  kind: "",
  how: "cron",
  cron: "0 3 * * *",
  minutes: "60",
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
  overlap: "skip",
  params: {},
  json: "{}",
};

export function timesOf(draft: ScheduleDraft): Times | null {
  if (draft.how === "cron")
    return draft.cron.trim() ? { cron: draft.cron.trim(), every_s: null, timezone: draft.timezone } : null;
  const every_s = Math.round(Number(draft.minutes) * 60);
  return every_s >= 10 ? { cron: null, every_s, timezone: draft.timezone } : null;
}

/** The params as the API takes them, or null for text that is no JSON object. */
export function paramsGiven(draft: ScheduleDraft, kind: JobKind | undefined): Record<string, unknown> | null {
  const fields = kind ? paramsOf(kind.params) : null;
  if (fields) return typed(fields, draft.params);
  try {
    const value: unknown = JSON.parse(draft.json || "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

export function ScheduleForm({
  draft,
  set,
  fixedKind = false,
  problem,
  busy,
  action,
  onSubmit,
  onCancel,
}: {
  draft: ScheduleDraft;
  set: <K extends keyof ScheduleDraft>(field: K, value: ScheduleDraft[K]) => void;
  /** What a schedule starts is chosen once. */
  fixedKind?: boolean;
  problem: Problem | null;
  busy: boolean;
  action: string;
  onSubmit: (times: Times, params: Record<string, unknown>) => void;
  onCancel?: () => void;
}) {
  const kinds = useKinds();
  const [tried, setTried] = useState(false);
  const kind = kinds.data?.items.find((one) => one.kind === draft.kind);
  const fields = kind ? paramsOf(kind.params) : null;
  const times = timesOf(draft);
  const params = paramsGiven(draft, kind);
  const missing = fields?.filter((field) => field.required && !draft.params[field.name]?.trim()) ?? [];
  const ready = draft.name.trim() && draft.kind && times && params && missing.length === 0;
  const say = (wrong: boolean, words: string) => (tried && wrong ? words : null);
  return (
    <Form
      onSubmit={() => {
        setTried(true);
        if (ready) onSubmit(times, params);
      }}
    >
      <TextField
        label="Name"
        autoComplete="off"
        value={draft.name}
        error={say(!draft.name.trim(), "Give it a name.") ?? problem?.fields.name}
        onChange={(e) => set("name", e.target.value)}
      />
      {!fixedKind && (
        <SelectField
          label="What it starts"
          value={draft.kind}
          help={asSentence(kind?.about.split("\n")[0])}
          error={say(!draft.kind, "Choose what it starts.")}
          onChange={(e) => set("kind", e.target.value)}
        >
          <option value="">Choose a kind of job</option>
          {kinds.data?.items.map((one) => (
            <option key={one.kind} value={one.kind}>
              {sentence(one.kind)}
            </option>
          ))}
        </SelectField>
      )}
      {fields?.map((field) =>
        field.name === "source_id" ? (
          <SourceField
            key={field.name}
            value={draft.params[field.name] ?? ""}
            error={say(missing.includes(field), "Choose a source.")}
            onChange={(source) => set("params", { ...draft.params, [field.name]: source })}
          />
        ) : field.kind === "flag" ? (
          <CheckField
            key={field.name}
            label={sentence(field.name)}
            help={field.help}
            checked={(draft.params[field.name] ?? field.initial) === "true"}
            onChange={(e) => set("params", { ...draft.params, [field.name]: String(e.target.checked) })}
          />
        ) : (
          <TextField
            key={field.name}
            label={sentence(field.name)}
            optional={!field.required}
            help={field.help || (field.initial ? `Empty: ${field.initial}.` : undefined)}
            inputMode={field.kind === "number" ? "numeric" : undefined}
            autoComplete="off"
            value={draft.params[field.name] ?? ""}
            error={say(missing.includes(field), "This is needed.")}
            onChange={(e) => set("params", { ...draft.params, [field.name]: e.target.value })}
          />
        ),
      )}
      {kind && !fields && (
        <TextArea
          label="Parameters"
          mono
          rows={4}
          help="A JSON object."
          error={say(params === null, "This is no JSON object.")}
          value={draft.json}
          onChange={(e) => set("json", e.target.value)}
        />
      )}
      <SelectField
        label="Rhythm"
        value={draft.how}
        onChange={(e) => set("how", e.target.value as ScheduleDraft["how"])}
      >
        <option value="cron">By the clock (cron)</option>
        <option value="every">Every so many minutes</option>
      </SelectField>
      {draft.how === "cron" ? (
        <>
          <TextField
            label="Cron"
            mono
            autoComplete="off"
            spellCheck={false}
            help="Minute, hour, day of the month, month, day of the week: 0 3 * * * is daily at three."
            error={say(!times, "Five fields, such as 0 3 * * *.")}
            value={draft.cron}
            onChange={(e) => set("cron", e.target.value)}
          />
          <TextField
            label="Time zone"
            autoComplete="off"
            spellCheck={false}
            help="Such as Europe/Berlin. A change of clocks neither skips a daily run nor doubles it."
            value={draft.timezone}
            onChange={(e) => set("timezone", e.target.value)}
          />
        </>
      ) : (
        <TextField
          label="Minutes"
          inputMode="decimal"
          autoComplete="off"
          error={say(!times, "At least a sixth of a minute.")}
          value={draft.minutes}
          onChange={(e) => set("minutes", e.target.value)}
        />
      )}
      <Preview times={times} />
      <SelectField
        label="While the last run goes on"
        value={draft.overlap}
        onChange={(e) => set("overlap", e.target.value as Overlap)}
      >
        {Object.entries(OVERLAPS).map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </SelectField>
      {problem && !problem.fields.name && <ProblemNotice problem={problem} />}
      <FormActions>
        <Button type="submit" look="primary" busy={busy}>
          {action}
        </Button>
        {onCancel && (
          <Button look="quiet" onClick={onCancel}>
            Leave it as it is
          </Button>
        )}
      </FormActions>
    </Form>
  );
}

function Preview({ times }: { times: Times | null }) {
  const next = useTimes(times);
  return (
    <div className={styles.preview} aria-live="polite">
      <span className={styles.previewLabel}>Next five runs</span>
      {next.data ? (
        <ol>
          {next.data.map((at) => (
            <li key={at}>
              <time dateTime={at}>{moment(at, times?.timezone ?? "UTC")}</time>
            </li>
          ))}
        </ol>
      ) : (
        <p className={next.isError ? styles.wrong : ""}>
          {next.isError ? asSentence(problemOf(next.error).detail ?? problemOf(next.error).title) : "…"}
        </p>
      )}
    </div>
  );
}
