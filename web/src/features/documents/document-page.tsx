/** A document: its outline, its text opened at the passage, its facts. */
import { Link, useParams, useSearchParams } from "react-router";
import { problemOf } from "@/api/problem";
import type { DocumentDetail } from "@/api/types";
import { asSentence, counted } from "@/lib/format";
import { paths, withParam } from "@/lib/paths";
import { readSpans } from "@/lib/spans";
import { codeWords } from "@/lib/words";
import { Button, buttonClass } from "@/ui/button";
import { Icon } from "@/ui/icon";
import { Name } from "@/ui/name";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { Page, useTitle } from "@/ui/page";
import { Skeleton, SkeletonText } from "@/ui/skeleton";
import { About } from "./about";
import styles from "./document.module.css";
import { Original } from "./original";
import { Outline } from "./outline";
import { Reader } from "./reader";
import { Retry } from "./retry";
import { useDocument } from "./use-documents";
import { useOcr } from "./use-ocr";
import { useTarget } from "./use-reader";

export function DocumentPage() {
  const { document: id = "" } = useParams();
  const [params, setParams] = useSearchParams();
  const query = useDocument(id);
  const chunk = params.get("chunk");
  const target = useTarget(id, chunk);
  const document = query.data;
  const ocr = useOcr(document);
  const name = document ? document.title || document.name : null;
  useTitle(name ?? "Document");

  const toggle = (key: string) =>
    setParams((old) => withParam(old, key, old.has(key) ? null : "1"), { replace: true, preventScrollReset: true });
  const go = (start: number) => setParams((old) => withParam(old, "at", String(start)), { preventScrollReset: true });

  if (query.isError)
    return (
      <Page title="Document">
        <ProblemNotice
          problem={problemOf(query.error)}
          actions={
            <Link to={paths.search()} className={buttonClass()}>
              Go to search
            </Link>
          }
        />
      </Page>
    );

  const from = params.get("from");
  const showChunks = params.has("chunks");
  const showAbout = params.has("about");
  const atText = params.get("at");
  const at = atText !== null && /^\d{1,12}$/.test(atText) ? Number(atText) : null;
  const gone = chunk !== null && (target.isError || (target.data && !target.data.chunk));
  const waiting = chunk !== null && target.isPending;

  return (
    <div className={styles.page}>
      <div className={styles.top}>
        <p className={styles.crumbs}>
          {from !== null ? (
            <Link to={`${paths.search()}${from.startsWith("?") ? from : ""}`} className={styles.back}>
              <Icon name="chevronLeft" size={14} />
              Back to results
            </Link>
          ) : null}
          {document ? (
            <>
              <Link to={paths.collection(document.collection_id)}>{document.collection_name}</Link>
              <span aria-hidden="true"> / </span>
              <span className={styles.path} title={document.path}>
                <Name>{document.path}</Name>
              </span>
            </>
          ) : (
            <Skeleton width="240px" />
          )}
        </p>
        <div className={styles.actions}>
          <Button small look="quiet" aria-pressed={showChunks} onClick={() => toggle("chunks")}>
            {showChunks ? "Hide passages" : "Show passages"}
          </Button>
          <Button small look="quiet" aria-pressed={showAbout} onClick={() => toggle("about")}>
            About
          </Button>
          <Original document={document}>Original</Original>
        </div>
      </div>
      <div className={`${styles.columns} ${showAbout ? styles.withAbout : ""}`}>
        <div className={styles.side}>
          {document && document.outline.length > 0 && (
            <Outline entries={document.outline} at={at ?? target.data?.chunk?.start ?? 0} onGo={go} />
          )}
        </div>
        <article className={styles.article}>
          <h1 className={styles.title} dir="auto">
            {name ? <Name>{name}</Name> : <Skeleton width="60%" label="Document" />}
          </h1>
          {document && <Trouble document={document} />}
          {document && ocr && (
            <Notice icon="file" actions={<Original document={document}>Check the original</Original>}>
              Read by OCR: {ocr}. OCR may misread, figures and names most of all.
            </Notice>
          )}
          {gone && (
            <Notice icon="warning">
              The passage of this link is gone: the document was indexed again since. It is opened at its beginning.
            </Notice>
          )}
          {!document || waiting ? (
            <SkeletonText lines={14} />
          ) : document.text_chars === 0 ? (
            document.state !== "pending" && (
              <Empty
                action={
                  document.children > 0 ? (
                    <Link
                      to={paths.collectionDocuments(document.collection_id, { parent: document.id })}
                      className={buttonClass()}
                    >
                      Show {counted(document.children, "document")} inside
                    </Link>
                  ) : undefined
                }
              >
                {document.children > 0
                  ? "This is a container; its documents stand for themselves."
                  : "There is no text to read here."}
              </Empty>
            )
          ) : (
            <Reader
              document={document}
              target={target.data?.chunk ?? null}
              near={target.data?.near}
              marks={readSpans(params.get("marks"))}
              at={at}
              showChunks={showChunks}
            />
          )}
        </article>
        {showAbout && (
          <aside className={styles.about} aria-label="About this document">
            <div className={styles.aboutHead}>
              <h2>About</h2>
              <Button small look="quiet" onClick={() => toggle("about")}>
                Close
              </Button>
            </div>
            {document ? <About document={document} ocr={ocr} /> : <SkeletonText lines={8} />}
          </aside>
        )}
      </div>
    </div>
  );
}

/** Why it is not (wholly) indexed, and what to do. */
function Trouble({ document }: { document: DocumentDetail }) {
  if (document.state === "indexed") {
    return document.warnings.length > 0 ? (
      <Notice tone="warn" icon="warning">
        {document.warnings.map((warning) => (
          <p key={warning}>{asSentence(warning)}</p>
        ))}
      </Notice>
    ) : null;
  }
  if (document.state === "pending")
    return (
      <Notice icon="clock">
        This document waits to be indexed.{" "}
        <Link to={paths.jobs({ collection: document.collection_id })}>See its job</Link>
      </Notice>
    );
  const tone = document.state === "failed" ? "bad" : "warn";
  return (
    <Notice tone={tone} icon={document.state === "failed" ? "cross" : "half"} actions={<Retry document={document} />}>
      <p>
        <strong>{codeWords(document.code)}.</strong> {asSentence(document.reason)}
      </p>
      {document.hint && <p>{asSentence(document.hint)}</p>}
      {document.warnings.map((warning) => (
        <p key={warning}>{asSentence(warning)}</p>
      ))}
    </Notice>
  );
}
