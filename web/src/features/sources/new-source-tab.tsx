/** Adding a folder: either look at what would be indexed first, or start at once. */
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { problemOf } from "@/api/problem";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Form, FormActions } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { tell } from "@/ui/toast";
import { useDraft } from "@/ui/use-draft";
import { DirectoryFields } from "./directory-fields";
import styles from "./sources.module.css";
import { lines, useCreateSource } from "./use-sources";

export function NewSourceTab() {
  const { collection = "" } = useParams();
  const navigate = useNavigate();
  const create = useCreateSource();
  const { draft, set, clear } = useDraft(`source.${collection}`, { name: "", path: "", include: "", exclude: "" });
  const [tried, setTried] = useState(false);
  const problem = create.error ? problemOf(create.error) : null;

  const submit = (sync: boolean) => {
    setTried(true);
    if (!draft.path.trim() || create.isPending) return;
    create.mutate(
      {
        params: { path: { collection_id: collection } },
        body: {
          kind: "directory",
          ...(draft.name.trim() ? { name: draft.name.trim() } : {}),
          settings: { path: draft.path.trim(), include: lines(draft.include), exclude: lines(draft.exclude) },
          check_every_s: 300,
          sync,
        },
      },
      {
        onSuccess: (source) => {
          clear();
          if (!sync) return navigate(paths.sourcePlan(collection, source.id));
          if (source.last_job_id)
            tell(`Indexing “${source.name}” started.`, { href: paths.job(source.last_job_id), action: "Watch" });
          navigate(paths.collectionSources(collection));
        },
      },
    );
  };

  return (
    <div className={styles.narrow}>
      <h2 className={styles.title}>Add a folder</h2>
      <Form onSubmit={() => submit(true)}>
        <DirectoryFields
          draft={draft}
          set={set}
          problem={problem}
          pathError={tried && !draft.path.trim() ? "Say which folder to read." : null}
        />
        {problem && Object.keys(problem.fields).length === 0 && <ProblemNotice problem={problem} />}
        <FormActions>
          <Button type="submit" look="primary" busy={create.isPending}>
            Add and index
          </Button>
          <Button onClick={() => submit(false)} why={create.isPending ? "The source is being added." : null}>
            Add and preview first
          </Button>
          <Link to={paths.collectionSources(collection)} className={buttonClass("quiet")}>
            Cancel
          </Link>
        </FormActions>
      </Form>
    </div>
  );
}
