/** The documents of a collection, filtered by the URL. */
import { useEffect, useRef, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { problemOf } from "@/api/problem";
import { useCollection } from "@/api/queries";
import { asSentence, bytes, count, languageName, mediaKind } from "@/lib/format";
import { paths, withParam } from "@/lib/paths";
import { codeWords, DOCUMENT_STATES, documentLook } from "@/lib/words";
import { Button } from "@/ui/button";
import { Picker } from "@/ui/field";
import { Name } from "@/ui/name";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { DocumentState } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { useListKeys } from "@/ui/use-list-keys";
import styles from "./documents.module.css";
import { useDocuments } from "./use-documents";

const KINDS = [
  "application/pdf",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  "message/rfc822",
  "text/html",
  "text/markdown",
  "text/plain",
  "text/csv",
  "application/epub+zip",
];
const FILTERS = ["state", "code", "media", "language", "source", "parent", "q"] as const;

export function DocumentsTab() {
  const { collection = "" } = useParams();
  const [params, setParams] = useSearchParams();
  const frame = useCollection(collection);
  const filter = Object.fromEntries(FILTERS.map((name) => [name, params.get(name)])) as Record<
    (typeof FILTERS)[number],
    string | null
  >;
  const list = useDocuments({ collection, ...filter }, (frame.data?.ledger.pending ?? 0) > 0);
  const rows = useRef<HTMLTableSectionElement>(null);
  useListKeys(rows);

  const set = (name: string, value: string, replace = false) =>
    setParams((old) => withParam(old, name, value), { replace });
  const documents = list.data?.pages.flatMap((page) => page.items) ?? [];
  const total = list.data?.pages[0]?.total ?? null;
  const filtered = FILTERS.some((name) => filter[name]);

  return (
    <>
      {/* Without documents there is nothing to narrow. */}
      {(filtered || total !== 0) && (
        <div className={styles.bar}>
          <NameFilter value={filter.q ?? ""} onChange={(q) => set("q", q, true)} />
          <Picker label="State" value={filter.state ?? ""} onChange={(e) => set("state", e.target.value)}>
            <option value="">Any state</option>
            {DOCUMENT_STATES.map((state) => (
              <option key={state} value={state}>
                {documentLook(state).word}
              </option>
            ))}
          </Picker>
          <Picker label="Kind" value={filter.media ?? ""} onChange={(e) => set("media", e.target.value)}>
            <option value="">Any kind</option>
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {mediaKind(kind)}
              </option>
            ))}
          </Picker>
          {filtered && (
            <Button look="quiet" small onClick={() => setParams({})}>
              Clear filters
            </Button>
          )}
          <span className={styles.total}>{total !== null && list.data ? `${count(total)} found` : ""}</span>
        </div>
      )}
      {filter.code && <p className={styles.scope}>Only: {codeWords(filter.code)}.</p>}
      {filter.parent && <p className={styles.scope}>Only what is inside one archive or mail.</p>}
      {filter.source && <p className={styles.scope}>Only documents of one source.</p>}
      {list.isError && <ProblemNotice problem={problemOf(list.error)} />}
      {list.isPending && <SkeletonRows rows={8} />}
      {list.data && documents.length === 0 && (
        <Empty action={filtered ? <Button onClick={() => setParams({})}>Show all documents</Button> : undefined}>
          {filtered
            ? "No document matches these filters."
            : "No documents yet. Drop files anywhere on this page, or add a folder as a source."}
        </Empty>
      )}
      {documents.length > 0 && (
        <table className={table.table} aria-busy={list.isPlaceholderData}>
          <thead>
            <tr>
              <th>Name</th>
              <th>Kind</th>
              <th className={`${table.number} ${styles.optional}`}>Pages</th>
              <th className={table.number}>Passages</th>
              <th className={`${table.number} ${styles.optional}`}>Size</th>
              <th className={table.number}>Modified</th>
              <th>State</th>
            </tr>
          </thead>
          <tbody ref={rows}>
            {documents.map((document) => (
              <tr key={document.id} className={styles.lazy}>
                <td className={table.main}>
                  <Link to={paths.document(document.id)} className={table.link} data-row="" title={document.path}>
                    <Name>{document.title || document.name}</Name>
                  </Link>
                  {document.reason && document.state !== "indexed" ? (
                    <span className={table.under}>{asSentence(document.reason)}</span>
                  ) : (
                    (document.title || document.path !== document.name) && (
                      <span className={table.under}>
                        <Name>{document.path}</Name>
                      </span>
                    )
                  )}
                </td>
                <td className={table.dim}>
                  <span title={languageName(document.language)}>{mediaKind(document.media_type)}</span>
                </td>
                <td className={`${table.number} ${table.wide} ${styles.optional}`}>{count(document.pages)}</td>
                <td className={`${table.number} ${table.wide}`}>{count(document.chunk_count)}</td>
                <td className={`${table.number} ${table.wide} ${styles.optional}`}>{bytes(document.size_bytes)}</td>
                <td className={`${table.number} ${table.dim}`}>
                  <Ago at={document.modified_at ?? document.updated_at} />
                </td>
                <td>
                  <DocumentState state={document.state} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <div className={table.more}>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show 50 more
          </Button>
          <span>
            {count(documents.length)} shown{total !== null && ` of ${count(total)}`}
          </span>
        </div>
      )}
    </>
  );
}

function NameFilter({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const settled = useRef(value);
  useEffect(() => {
    if (value !== settled.current) {
      settled.current = value;
      setTyped(value);
    }
  }, [value]);
  useEffect(() => {
    if (typed === settled.current) return;
    const timer = setTimeout(() => {
      settled.current = typed;
      onChange(typed);
    }, 250);
    return () => clearTimeout(timer);
  });
  return (
    <input
      type="search"
      className={styles.nameFilter}
      aria-label="Name contains"
      placeholder="Name contains"
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
