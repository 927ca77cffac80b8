/** The facts of a document, and its deletion where that is ours to do. */
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { problemLine } from "@/api/problem";
import type { DocumentDetail } from "@/api/types";
import { bytes, count, counted, exact, languageName, mediaKind } from "@/lib/format";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { ConfirmName } from "@/ui/confirm-name";
import { DocumentState } from "@/ui/status";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./document.module.css";
import { useDeleteDocument } from "./use-documents";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
/** Times that the file gives of itself; those of the folder it lies in are facts of ours. */
const CLAIMED = new Set(["created", "modified"]);

function words(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string" && MOMENT.test(value) && !Number.isNaN(Date.parse(value))) return exact(value);
  if (Array.isArray(value)) return value.map(words).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function About({ document, ocr }: { document: DocumentDetail; ocr: string | null }) {
  const navigate = useNavigate();
  const remove = useDeleteDocument();
  const [deleting, setDeleting] = useState(false);
  const facts: [string, React.ReactNode][] = [
    ["State", <DocumentState key="state" state={document.state} />],
    [
      "Kind",
      <span key="kind" title={document.media_type ?? undefined}>
        {mediaKind(document.media_type)}
      </span>,
    ],
    ["Language", languageName(document.language)],
    ["Size", bytes(document.size_bytes)],
    ["Pages", document.pages === null ? null : count(document.pages)],
    ["Text", document.text_chars > 0 ? counted(document.text_chars, "character") : null],
    ["Read by OCR", ocr],
    ["Passages", count(document.chunk_count)],
    ["Tags", document.tags.length > 0 ? document.tags.join(", ") : null],
    ["Source", document.source_name],
    [
      "Inside",
      document.children > 0 ? (
        <Link key="inside" to={paths.collectionDocuments(document.collection_id, { parent: document.id })}>
          {counted(document.children, "document")}
        </Link>
      ) : null,
    ],
    [
      "Part of",
      document.parent_id ? (
        <Link key="parent" to={paths.document(document.parent_id)}>
          the archive or mail it came in
        </Link>
      ) : null,
    ],
    ["Modified", document.modified_at ? <Ago key="modified" at={document.modified_at} /> : null],
    ["Indexed", document.indexed_at ? <Ago key="indexed" at={document.indexed_at} /> : null],
    ...Object.entries(document.metadata).map<[string, React.ReactNode]>(([key, value]) => [
      CLAIMED.has(key) ? `${sentence(key)}, says the document` : sentence(key),
      words(value),
    ]),
  ];
  return (
    <>
      <dl className={styles.facts}>
        {facts
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        <div>
          <dt>Id</dt>
          <dd>
            <code>{document.id}</code>
          </dd>
        </div>
      </dl>
      {deleting ? (
        <ConfirmName
          name={document.name}
          what="Removes the document and its passages. Only uploaded documents can be deleted here."
          action="Delete document"
          busy={remove.isPending}
          error={remove.error ? problemLine(remove.error) : null}
          onCancel={() => setDeleting(false)}
          onConfirm={() =>
            remove.mutate(
              { params: { path: { document_id: document.id } } },
              {
                onSuccess: (answer) => {
                  tell(`“${document.name}” is being deleted.`, { href: paths.job(answer.job_id), action: "Watch" });
                  navigate(paths.collection(document.collection_id));
                },
              },
            )
          }
        />
      ) : (
        <Button small look="danger" onClick={() => setDeleting(true)}>
          Delete document
        </Button>
      )}
    </>
  );
}
