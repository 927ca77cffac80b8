/** One source: what it reads, and its end. */
import { useEffect, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Source } from "@/api/types";
import { roughly } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmName } from "@/ui/confirm-name";
import { Form, FormActions, SelectField, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { tell } from "@/ui/toast";
import { type BudgetDraft, BudgetFields, budgetDraft, budgetOf, isBudget } from "./budget-fields";
import { type DirectoryDraft, DirectoryFields } from "./directory-fields";
import styles from "./sources.module.css";
import { type DirectorySettings, lines, useChangeSource, useDeleteSource, useSource } from "./use-sources";

export function SourceSettingsTab() {
  const { collection = "", source = "" } = useParams();
  const query = useSource(source);
  if (query.isError) return <ProblemNotice problem={problemOf(query.error)} />;
  if (!query.data) return <SkeletonRows rows={4} />;
  return <SourceForm source={query.data} collection={collection} />;
}

type Draft = DirectoryDraft & { check: string; budget: BudgetDraft };

const CHECKS = [
  [300, "Every 5 minutes"],
  [900, "Every 15 minutes"],
  [3600, "Every hour"],
  [86_400, "Every day"],
] as const;

function read(source: Source): Draft {
  const settings = source.settings as DirectorySettings;
  return {
    name: source.name,
    path: settings.path ?? "",
    include: (settings.include ?? []).join("\n"),
    exclude: (settings.exclude ?? []).join("\n"),
    check: source.check_every_s === null ? "" : String(source.check_every_s),
    budget: budgetDraft(source.budget),
  };
}

function SourceForm({ source, collection }: { source: Source; collection: string }) {
  const navigate = useNavigate();
  const change = useChangeSource();
  const remove = useDeleteSource();
  const [draft, setDraft] = useState(() => read(source));
  useEffect(() => setDraft(read(source)), [source]);
  const path = { source_id: source.id };
  const problem = change.error ? problemOf(change.error) : null;
  const folder = source.kind === "directory";
  const same = JSON.stringify(draft) === JSON.stringify(read(source));

  return (
    <div className={styles.narrow}>
      <h2 className={styles.title}>{source.name}</h2>
      <Form
        onSubmit={() => {
          if (same || !isBudget(draft.budget)) return;
          change.mutate(
            {
              params: { path },
              body: {
                name: draft.name.trim() || source.name,
                budget: budgetOf(draft.budget),
                ...(folder
                  ? {
                      settings: {
                        path: draft.path.trim(),
                        include: lines(draft.include),
                        exclude: lines(draft.exclude),
                      },
                      check_every_s: draft.check === "" ? null : Number(draft.check),
                    }
                  : {}),
              },
            },
            { onSuccess: () => tell("Saved. The next sync reads it this way.") },
          );
        }}
      >
        {folder ? (
          <DirectoryFields
            draft={draft}
            set={(field, value) => setDraft((old) => ({ ...old, [field]: value }))}
            problem={problem}
            pathError={draft.path.trim() ? null : "Say which folder to read."}
          />
        ) : (
          <TextField
            label="Name"
            value={draft.name}
            onChange={(e) => setDraft((old) => ({ ...old, name: e.target.value }))}
          />
        )}
        {folder && (
          <SelectField
            label="Look for changes"
            help={
              source.check_note
                ? `The last look came to nothing: ${source.check_note}.`
                : "A sync starts only when something has changed."
            }
            value={draft.check}
            onChange={(e) => setDraft((old) => ({ ...old, check: e.target.value }))}
          >
            {CHECKS.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                {words}
              </option>
            ))}
            {draft.check !== "" && !CHECKS.some(([seconds]) => String(seconds) === draft.check) && (
              <option value={draft.check}>Every {roughly(Number(draft.check))}</option>
            )}
            <option value="">Never by itself</option>
          </SelectField>
        )}
        <h3 className={styles.title}>Budget of a sync</h3>
        <BudgetFields
          draft={draft.budget}
          set={(meter, value) => setDraft((old) => ({ ...old, budget: { ...old.budget, [meter]: value } }))}
        />
        {problem && Object.keys(problem.fields).length === 0 && <ProblemNotice problem={problem} />}
        <FormActions>
          <Button type="submit" busy={change.isPending} why={same ? "Nothing has changed yet." : null}>
            Save changes
          </Button>
          <Link to={paths.collectionSources(collection)} className={buttonClass("quiet")}>
            Back to sources
          </Link>
        </FormActions>
      </Form>
      <Section title="Delete source">
        <ConfirmName
          name={source.name}
          what={
            folder
              ? "Removes its documents and passages from Semantik. The folder itself stays as it is."
              : "Removes its documents and passages from Semantik, also the uploaded files."
          }
          action="Delete source"
          busy={remove.isPending}
          error={remove.error ? problemLine(remove.error) : null}
          onConfirm={() =>
            remove.mutate(
              { params: { path } },
              {
                onSuccess: (answer) => {
                  tell(`“${source.name}” is being deleted.`, { href: paths.job(answer.job_id), action: "Watch" });
                  navigate(paths.collectionSources(collection));
                },
              },
            )
          }
        />
      </Section>
    </div>
  );
}
