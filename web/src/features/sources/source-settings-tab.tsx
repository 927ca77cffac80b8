/** One source: what it reads, and its end. */
import { useEffect, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Source } from "@/api/types";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmName } from "@/ui/confirm-name";
import { Form, FormActions, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { tell } from "@/ui/toast";
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

function read(source: Source): DirectoryDraft {
  const settings = source.settings as DirectorySettings;
  return {
    name: source.name,
    path: settings.path ?? "",
    include: (settings.include ?? []).join("\n"),
    exclude: (settings.exclude ?? []).join("\n"),
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
          if (same) return;
          change.mutate(
            {
              params: { path },
              body: {
                name: draft.name.trim() || source.name,
                ...(folder
                  ? {
                      settings: {
                        path: draft.path.trim(),
                        include: lines(draft.include),
                        exclude: lines(draft.exclude),
                      },
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
