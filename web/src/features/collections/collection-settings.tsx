/** A collection's settings: its name, how it was indexed, and its end. */
import { useState } from "react";
import { useNavigate } from "react-router";
import { download } from "@/api/client";
import { problemLine, problemOf } from "@/api/problem";
import { count, counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { ConfirmName } from "@/ui/confirm-name";
import { Form, FormActions, TextArea, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Fact, Facts, Section } from "@/ui/page";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./collections.module.css";
import { useChangeCollection, useDeleteCollection, useFramedCollection } from "./use-collections";

export function CollectionSettings() {
  const collection = useFramedCollection();
  const navigate = useNavigate();
  const change = useChangeCollection();
  const remove = useDeleteCollection();
  const [saving, setSaving] = useState(false);
  const [name, setName] = useState(collection.name);
  const [description, setDescription] = useState(collection.description);
  const path = { collection_id: collection.id };
  const problem = change.error ? problemOf(change.error) : null;
  const same = name.trim() === collection.name && description.trim() === collection.description;

  return (
    <div className={styles.settings}>
      <Form
        onSubmit={() => {
          if (same || !name.trim()) return;
          change.mutate(
            { params: { path }, body: { name: name.trim(), description: description.trim() } },
            { onSuccess: () => tell("Saved.") },
          );
        }}
      >
        <TextField
          label="Name"
          value={name}
          maxLength={200}
          error={name.trim() ? problem?.fields.name : "A collection needs a name."}
          onChange={(e) => setName(e.target.value)}
        />
        <TextArea
          label="Description"
          optional
          rows={2}
          value={description}
          onChange={(e) => setDescription(e.target.value)}
        />
        {problem && !problem.fields.name && <ProblemNotice problem={problem} />}
        <FormActions>
          <Button type="submit" busy={change.isPending} why={same ? "Nothing has changed yet." : null}>
            Save changes
          </Button>
        </FormActions>
      </Form>

      <Section title="How it is indexed">
        <Facts>
          <Fact name="Model">
            <code>{collection.embedding_model}</code>
          </Fact>
          <Fact name="Passages">
            {sentence(collection.chunking.strategy)}, up to {count(collection.chunking.max_tokens)} tokens,{" "}
            {count(collection.chunking.overlap_tokens)} shared
          </Fact>
          <Fact name="Size">
            {counted(collection.ledger.listed, "document")}, {counted(collection.chunks, "passage")}
          </Fact>
          <Fact name="Index generation">{collection.generation}</Fact>
          <Fact name="Created">
            <Ago at={collection.created_at} />
          </Fact>
          <Fact name="Id">
            <code>{collection.id}</code>
          </Fact>
        </Facts>
      </Section>

      <Section title="Export collection">
        <p>
          One file with originals, passages and vectors, for another installation or workspace. Take large ones with{" "}
          <code>semantik collections export</code>.
        </p>
        <p>
          <Button
            icon="download"
            busy={saving}
            onClick={() => {
              setSaving(true);
              download(
                `/api/v1/collections/${encodeURIComponent(collection.id)}/export`,
                `${collection.name}.semantik-collection`,
              )
                .catch((error) => tell(problemLine(error), { tone: "bad" }))
                .finally(() => setSaving(false));
            }}
          >
            Export
          </Button>
        </p>
      </Section>

      <Section title="Delete collection">
        <ConfirmName
          name={collection.name}
          what="Removes its documents, passages and sources from Semantik. Files in source folders stay where they are."
          action="Delete collection"
          busy={remove.isPending}
          error={remove.error ? problemLine(remove.error) : null}
          onConfirm={() =>
            remove.mutate(
              { params: { path } },
              {
                onSuccess: (answer) => {
                  tell(`“${collection.name}” is being deleted.`, { href: paths.job(answer.job_id), action: "Watch" });
                  navigate(paths.collections());
                },
              },
            )
          }
        />
      </Section>
    </div>
  );
}
