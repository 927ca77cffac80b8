/** What could not be indexed, wholly or in part: grouped by reason, with what to do. */
import { useState } from "react";
import { Link, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { useCollection } from "@/api/queries";
import type { Document } from "@/api/types";
import { asSentence, count, counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { codeWords } from "@/lib/words";
import { Button } from "@/ui/button";
import { Name } from "@/ui/name";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { DocumentState } from "@/ui/status";
import { tell } from "@/ui/toast";
import styles from "./documents.module.css";
import { Retry } from "./retry";
import { useFailures, useRetryFailed } from "./use-documents";

export type Group = { state: string; code: string | null; total: number; documents: Document[] };

const ORDER = ["failed", "partial", "skipped"];

/** Groups in the order failed, partial, skipped, larger first. Totals come from the ledger: the list holds only what is loaded. */
export function grouped(
  documents: readonly Document[],
  reasons: readonly { state: string; code: string | null; count: number }[],
): Group[] {
  const groups = new Map<string, Group>();
  const key = (state: string, code: string | null) => `${state}/${code ?? ""}`;
  for (const { state, code, count: total } of reasons) {
    if (ORDER.includes(state)) groups.set(key(state, code), { state, code, total, documents: [] });
  }
  for (const document of documents) {
    const at = key(document.state, document.code);
    const group = groups.get(at) ?? { state: document.state, code: document.code, total: 0, documents: [] };
    group.documents.push(document);
    group.total = Math.max(group.total, group.documents.length);
    groups.set(at, group);
  }
  return [...groups.values()].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.total - a.total);
}

/** So many of a group are shown at first: one reason must not bury the others. */
const FIRST = 8;
const keyOf = (group: Group) => `${group.state}/${group.code}`;

export function FailuresTab() {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { collection = "" } = useParams();
  const frame = useCollection(collection);
  const failures = useFailures(collection);
  const retry = useRetryFailed();

  if (failures.isError) return <ProblemNotice problem={problemOf(failures.error)} />;
  if (!failures.data || !frame.data) return <SkeletonRows rows={4} height={64} />;
  const documents = failures.data.pages.flatMap((page) => page.items);
  const groups = grouped(documents, frame.data.ledger.reasons ?? []);
  if (groups.length === 0) return <Empty>Nothing failed, and nothing was left out.</Empty>;

  const again = (codes?: string[]) =>
    retry.mutate(
      { params: { path: { collection_id: collection } }, body: codes ? { codes } : {} },
      {
        onSuccess: (answer) =>
          tell(
            `${counted(answer.documents, "document")} will be read again.`,
            answer.job_id ? { href: paths.job(answer.job_id), action: "Watch" } : {},
          ),
        onError: (error) => tell(problemLine(error), { tone: "bad" }),
      },
    );
  const failed = frame.data.ledger.failed;

  return (
    <>
      <div className={styles.bar}>
        <p className={styles.scope}>
          {failed > 0
            ? `${counted(failed, "document")} failed.`
            : "No document failed; some were left out or read in part."}
        </p>
        {failed > 0 && (
          <Button icon="retry" small busy={retry.isPending} onClick={() => again()}>
            Retry all failed
          </Button>
        )}
      </div>
      {groups.map((group) => (
        <section key={keyOf(group)} className={styles.group}>
          <header className={styles.groupHead}>
            <h2>
              {codeWords(group.code)} <span className={styles.groupCount}>{count(group.total)}</span>
            </h2>
            <DocumentState state={group.state} />
            {group.code && group.state === "failed" && group.total > 1 && (
              <Button small look="quiet" busy={retry.isPending} onClick={() => again([group.code ?? ""])}>
                Retry these
              </Button>
            )}
          </header>
          {group.documents[0]?.hint && <p className={styles.hint}>{asSentence(group.documents[0].hint)}</p>}
          <ul>
            {(open.has(keyOf(group)) ? group.documents : group.documents.slice(0, FIRST)).map((document) => (
              <li key={document.id} className={styles.failure}>
                <div className={styles.failureWords}>
                  <Link to={paths.document(document.id)} className={styles.failureName} title={document.path}>
                    <Name>{document.parent_id ? document.path.replaceAll("!/", " › ") : document.name}</Name>
                  </Link>
                  <p className={styles.reason}>{asSentence(document.reason)}</p>
                </div>
                <Retry document={document} />
              </li>
            ))}
          </ul>
          {group.documents.length > FIRST && !open.has(keyOf(group)) && (
            <Button small look="quiet" onClick={() => setOpen(new Set([...open, keyOf(group)]))}>
              Show {count(group.documents.length - FIRST)} more
            </Button>
          )}
          {group.total > group.documents.length && (open.has(keyOf(group)) || group.documents.length <= FIRST) && (
            <p className={styles.scope}>
              {count(group.total - group.documents.length)} more:{" "}
              <Link to={paths.collectionDocuments(collection, { state: group.state, code: group.code })}>show all</Link>
            </p>
          )}
        </section>
      ))}
      {failures.hasNextPage && (
        <Button busy={failures.isFetchingNextPage} onClick={() => void failures.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
