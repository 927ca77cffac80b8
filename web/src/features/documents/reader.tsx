/** The text of a document at reading width, opened at a passage; more is loaded while one scrolls. */
import { Fragment, memo, useEffect, useMemo, useRef } from "react";
import { problemOf } from "@/api/problem";
import type { Chunk, DocumentDetail } from "@/api/types";
import { flowed, flows } from "@/lib/flow";
import { standsAsWritten } from "@/lib/reading";
import { pieces, points, type Span } from "@/lib/spans";
import { Button } from "@/ui/button";
import { ProblemNotice } from "@/ui/notice";
import { SkeletonText } from "@/ui/skeleton";
import { type Block, toBlocks } from "./blocks";
import styles from "./reader.module.css";
import { useAnchor } from "./use-anchor";
import { useChunks, useText, WINDOW } from "./use-reader";

const NONE: readonly Chunk[] = [];

export function Reader({
  document,
  target,
  near,
  marks,
  at,
  showChunks,
}: {
  document: DocumentDetail;
  target: Chunk | null;
  near: readonly Chunk[] | undefined;
  marks: readonly Span[];
  /** offset to open at when there is no passage */
  at: number | null;
  showChunks: boolean;
}) {
  const place = at ?? target?.start ?? 0;
  const base = Math.floor(place / WINDOW);
  const text = useText(document.id, document.text_chars, base, document.text_chars > 0);
  const chunks = useChunks(document.id, near ?? NONE, text.start, text.end, text.isSuccess);
  const root = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const bottom = useRef<HTMLDivElement>(null);

  const { media_type, outline } = document;
  const code = standsAsWritten(media_type);
  const blocks = useMemo(() => {
    const cut = toBlocks(text.text, text.start, { headings: outline, chunks, showChunks, indented: code });
    return cut.map((block) => ({ ...block, text: flowed(block.text, media_type) }));
  }, [text.text, text.start, outline, chunks, showChunks, code, media_type]);
  const passage = useMemo<Span | null>(() => target && { start: target.start, end: target.end }, [target]);

  const hold = useAnchor(root, blocks);

  // Opens at the place once its window is there; not again when more text arrives.
  const opened = useRef<string | null>(null);
  const wish = at !== null ? `at ${at}` : target ? `chunk ${target.id}` : null;
  const ready = text.isSuccess && blocks.length > 0 && place >= text.start && place <= text.end;
  useEffect(() => {
    if (!ready || !wish || opened.current === wish) return;
    const frame = requestAnimationFrame(() => {
      opened.current = wish;
      const found =
        at !== null
          ? nearestBlock(root.current, at)
          : (root.current?.querySelector<HTMLElement>("[data-passage]") ?? null);
      found?.scrollIntoView({ block: at !== null ? "start" : "center" });
      hold();
    });
    return () => cancelAnimationFrame(frame);
  }, [ready, wish, at, hold]);

  useReach(top, text.hasPreviousPage && !text.isFetching && ready, () => void text.fetchPreviousPage());
  useReach(bottom, text.hasNextPage && !text.isFetching && ready, () => void text.fetchNextPage());

  if (text.isError)
    return (
      <ProblemNotice
        problem={problemOf(text.error)}
        actions={
          <Button small icon="retry" onClick={() => void text.refetch()}>
            Try again
          </Button>
        }
      />
    );
  if (text.isPending) return <SkeletonText lines={14} />;
  return (
    <div
      ref={root}
      className={`${styles.text} ${code ? styles.code : ""} ${flows(media_type) ? styles.flowing : ""}`}
      lang={document.language ?? undefined}
      dir={code ? "ltr" : "auto"}
    >
      <div ref={top}>{text.hasPreviousPage && <SkeletonText lines={2} label="Earlier text" />}</div>
      {blocks.map((block) => {
        const end = block.start + points(block.text);
        const touched = passage !== null && passage.start < end && passage.end > block.start;
        return (
          <BlockView
            key={block.start}
            block={block}
            indented={code}
            passage={touched ? passage : null}
            marks={touched ? marks : NOMARKS}
          />
        );
      })}
      <div ref={bottom}>{text.hasNextPage && <SkeletonText lines={2} label="Later text" />}</div>
    </div>
  );
}

const NOMARKS: readonly Span[] = [];

const BlockView = memo(function BlockView({
  block,
  indented,
  passage,
  marks,
}: {
  block: Block;
  indented: boolean;
  passage: Span | null;
  marks: readonly Span[];
}) {
  // Leading line breaks would be drawn as space, the # of Markdown as noise before a heading that looks like one: both
  // are skipped, and the offsets with them.
  const before = block.level ? /^\s*(#{1,6}\s+)?/ : indented ? /^(?:[ \t]*\n)*/ : /^\s*/;
  const skipped = before.exec(block.text)?.[0].length ?? 0;
  const text = block.text.slice(skipped).trimEnd();
  const start = block.start + skipped;
  return (
    <>
      {block.page !== null && (
        <p className={styles.page}>
          <span>page {block.page}</span>
        </p>
      )}
      {block.chunks.map((chunk) => (
        <p key={chunk.ordinal} className={styles.chunk}>
          passage {chunk.ordinal + 1} · {chunk.tokens} tokens
        </p>
      ))}
      {text !== "" && (
        <p
          data-start={block.start}
          className={block.level ? `${styles.heading} ${styles[`level${Math.min(block.level, 3)}`]}` : styles.block}
        >
          {passage
            ? pieces(text, [passage], start).map((piece) =>
                piece.marked ? (
                  <span key={piece.start} className={styles.passage} data-passage="">
                    {marks.length === 0 ? (
                      <mark>{piece.text}</mark>
                    ) : (
                      pieces(piece.text, marks, piece.start).map((inner) =>
                        inner.marked ? (
                          <mark key={inner.start}>{inner.text}</mark>
                        ) : (
                          <Fragment key={inner.start}>{inner.text}</Fragment>
                        ),
                      )
                    )}
                  </span>
                ) : (
                  <Fragment key={piece.start}>{piece.text}</Fragment>
                ),
              )
            : text}
        </p>
      )}
    </>
  );
});

function nearestBlock(root: HTMLElement | null, at: number): HTMLElement | null {
  let best: HTMLElement | null = null;
  for (const element of root?.querySelectorAll<HTMLElement>("[data-start]") ?? []) {
    if (Number(element.dataset.start) > at) break;
    best = element;
  }
  return best;
}

/** Calls `onReach` when the mark comes within a screen of view. */
function useReach(mark: React.RefObject<HTMLElement | null>, active: boolean, onReach: () => void) {
  const latest = useRef(onReach);
  latest.current = onReach;
  useEffect(() => {
    const element = mark.current;
    if (!active || !element || typeof IntersectionObserver === "undefined") return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) latest.current();
      },
      { rootMargin: "900px 0px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [mark, active]);
}
