/** Creating a collection: a name is enough; how texts are cut and understood can be chosen, and tried out. */
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { problemOf } from "@/api/problem";
import { useModels } from "@/api/queries";
import type { Chunking } from "@/api/types";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Form, FormActions, SelectField, TextArea, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Page } from "@/ui/page";
import { useDraft } from "@/ui/use-draft";
import { ChunkPreviewPane } from "./chunk-preview";
import styles from "./collections.module.css";
import { useCreateCollection } from "./use-collections";
import { DEFAULT_CHUNKING } from "./values";

const STRATEGIES: [Chunking["strategy"], string, string][] = [
  ["recursive", "Recursive", "Cuts at headings, then paragraphs, then sentences. Right for most documents."],
  ["markdown", "Markdown", "Never cuts across a heading, a list or a code block."],
  ["sentences", "Sentences", "Fills each passage with whole sentences."],
  ["tokens", "Tokens", "Cuts by length alone, whatever the text says."],
];

const DRAFT = {
  name: "",
  description: "",
  model: "",
  language: "auto",
  strategy: DEFAULT_CHUNKING.strategy,
  max_tokens: String(DEFAULT_CHUNKING.max_tokens),
  overlap_tokens: String(DEFAULT_CHUNKING.overlap_tokens),
};

export function NewCollectionPage() {
  const navigate = useNavigate();
  const models = useModels();
  const create = useCreateCollection();
  const { draft, set, clear } = useDraft("collection", DRAFT);
  const changed =
    draft.model !== "" ||
    draft.language !== "auto" ||
    draft.strategy !== DRAFT.strategy ||
    draft.max_tokens !== DRAFT.max_tokens ||
    draft.overlap_tokens !== DRAFT.overlap_tokens;
  const [advanced, setAdvanced] = useState(changed);
  const [missing, setMissing] = useState(false);

  const problem = create.error ? problemOf(create.error) : null;
  const fieldError = (name: string) => problem?.fields[name] ?? null;
  const chunking: Chunking = {
    strategy: draft.strategy,
    max_tokens: Number(draft.max_tokens) || 0,
    overlap_tokens: Number(draft.overlap_tokens) || 0,
  };
  const model = models.data?.items.find((m) => (draft.model ? m.name === draft.model : m.default));
  const nameError = missing && !draft.name.trim() ? "A collection needs a name." : fieldError("name");
  const inFields = problem ? Object.keys(problem.fields).length > 0 : false;

  const submit = () => {
    if (!draft.name.trim()) return setMissing(true);
    create.mutate(
      {
        body: {
          name: draft.name.trim(),
          description: draft.description.trim(),
          ...(draft.model ? { embedding_model: draft.model } : {}),
          language: draft.language,
          ...(changed ? { chunking } : {}),
        },
      },
      {
        onSuccess: (collection) => {
          clear();
          navigate(paths.collection(collection.id));
        },
      },
    );
  };

  return (
    <Page title="Create collection" lead="Documents of one collection are indexed alike and searched together.">
      <div className={advanced ? styles.split : undefined}>
        <Form onSubmit={submit}>
          <TextField
            label="Name"
            value={draft.name}
            maxLength={200}
            autoComplete="off"
            error={nameError}
            onChange={(e) => set("name", e.target.value)}
          />
          <TextArea
            label="Description"
            optional
            rows={2}
            value={draft.description}
            error={fieldError("description")}
            onChange={(e) => set("description", e.target.value)}
          />
          <details open={advanced} onToggle={(e) => setAdvanced(e.currentTarget.open)} className={styles.advanced}>
            <summary>Model and passages</summary>
            <div className={styles.advancedFields}>
              <SelectField
                label="Model"
                help={
                  model
                    ? `${model.description}${model.max_tokens ? ` Reads up to ${count(model.max_tokens)} tokens at once.` : ""}`
                    : "Turns passages into meaning. It cannot be changed later without indexing again."
                }
                error={fieldError("embedding_model")}
                value={draft.model}
                onChange={(e) => set("model", e.target.value)}
              >
                <option value="">
                  {models.data?.items.find((m) => m.default)?.name ?? "The server's own"} (default)
                </option>
                {models.data?.items
                  .filter((m) => !m.default)
                  .map((m) => (
                    <option key={m.name} value={m.name} disabled={!m.installed}>
                      {m.name}
                      {m.installed ? "" : " (not installed)"}
                    </option>
                  ))}
              </SelectField>
              <SelectField
                label="Passages"
                help={STRATEGIES.find(([value]) => value === draft.strategy)?.[2]}
                error={fieldError("chunking.strategy")}
                value={draft.strategy}
                onChange={(e) => set("strategy", e.target.value as Chunking["strategy"])}
              >
                {STRATEGIES.map(([value, word]) => (
                  <option key={value} value={value}>
                    {word}
                  </option>
                ))}
              </SelectField>
              <div className={styles.pair}>
                <TextField
                  label="Longest passage"
                  help="In tokens of the model; a page holds about 500."
                  type="number"
                  min={16}
                  max={8192}
                  inputMode="numeric"
                  error={fieldError("chunking.max_tokens")}
                  value={draft.max_tokens}
                  onChange={(e) => set("max_tokens", e.target.value)}
                />
                <TextField
                  label="Overlap"
                  help="Tokens that two neighbours share."
                  type="number"
                  min={0}
                  inputMode="numeric"
                  error={fieldError("chunking.overlap_tokens")}
                  value={draft.overlap_tokens}
                  onChange={(e) => set("overlap_tokens", e.target.value)}
                />
              </div>
              <SelectField
                label="Language"
                help="Of documents too short to tell. Others speak for themselves."
                error={fieldError("language")}
                value={draft.language}
                onChange={(e) => set("language", e.target.value)}
              >
                <option value="auto">Tell from the text</option>
                <option value="en">English</option>
                <option value="de">German</option>
                <option value="fr">French</option>
                <option value="es">Spanish</option>
                <option value="it">Italian</option>
                <option value="nl">Dutch</option>
                <option value="pt">Portuguese</option>
                <option value="pl">Polish</option>
                <option value="ru">Russian</option>
                <option value="ar">Arabic</option>
                <option value="hi">Hindi</option>
                <option value="zh">Chinese</option>
                <option value="ja">Japanese</option>
              </SelectField>
            </div>
          </details>
          {problem && !inFields && <ProblemNotice problem={problem} />}
          <FormActions>
            <Button type="submit" look="primary" busy={create.isPending}>
              Create collection
            </Button>
            <Link to={paths.collections()} className={buttonClass("quiet")}>
              Cancel
            </Link>
          </FormActions>
        </Form>
        {advanced && <ChunkPreviewPane chunking={chunking} model={draft.model || null} />}
      </div>
    </Page>
  );
}
