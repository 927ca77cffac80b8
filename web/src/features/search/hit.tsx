/** One hit: where it stands, the passage in serif, what else the document has, and why it is here. */
import { useState } from "react";
import { Link, useLocation } from "react-router";
import { problemLine } from "@/api/problem";
import type { Hit } from "@/api/types";
import { copy } from "@/lib/copy";
import { counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { standsAsWritten } from "@/lib/reading";
import { writeSpans } from "@/lib/spans";
import { Highlighted } from "@/ui/highlight";
import { Icon } from "@/ui/icon";
import { Name } from "@/ui/name";
import { Notice } from "@/ui/notice";
import { SkeletonText } from "@/ui/skeleton";
import { tell } from "@/ui/toast";
import styles from "./search.module.css";
import { type SearchState, useMorePassages } from "./use-search";
import { Why } from "./why";

export function place(hit: Pick<Hit, "page" | "position">): string | null {
  const at = hit.position as {
    slide?: number;
    sheet?: string;
    row_start?: number;
    row_end?: number;
    page_end?: number;
  };
  if (hit.page) return at.page_end && at.page_end !== hit.page ? `pp. ${hit.page}–${at.page_end}` : `p. ${hit.page}`;
  if (at.slide) return `slide ${at.slide}`;
  if (at.sheet) return at.row_start ? `${at.sheet}, row ${at.row_start}` : `sheet ${at.sheet}`;
  return at.row_start ? `row ${at.row_start}` : null;
}

function linkTo(hit: Hit, from: string) {
  return paths.document(hit.document.id, {
    chunk: hit.chunk_id,
    // In the coordinates of the document: the reader does not know where the shown passage began.
    marks: writeSpans(
      hit.highlights
        .slice(0, 40)
        .map(({ start, end }) => ({ start: start + hit.passage.start, end: end + hit.passage.start })),
    ),
    from,
  });
}

export function HitView({ hit, state, several }: { hit: Hit; state: SearchState; several: boolean }) {
  const [why, setWhy] = useState(false);
  const [more, setMore] = useState(false);
  const from = useLocation().search;
  const name = hit.document.title || hit.document.name;
  const where = place(hit);
  // Many documents open with their own title as a heading: it is said once.
  const trail = hit.heading_path[0] === name ? hit.heading_path.slice(1) : hit.heading_path;
  return (
    <li className={styles.hit}>
      <div className={styles.source}>
        <Link to={linkTo(hit, from)} className={styles.name} data-row="" title={hit.document.path}>
          <Name>{name}</Name>
        </Link>
        {trail.length > 0 && <span className={styles.trail}>{trail.join(" › ")}</span>}
        <span className={styles.where}>
          {several && <span className={styles.collection}>{hit.document.collection_name}</span>}
          {where && <span>{where}</span>}
        </span>
      </div>
      <Passage hit={hit} />
      <div className={styles.foot}>
        {hit.more_in_document > 0 && (
          <button type="button" aria-expanded={more} className={styles.quiet} onClick={() => setMore(!more)}>
            {counted(hit.more_in_document, "more passage")}
            <Icon name={more ? "chevronRight" : "chevronDown"} size={12} />
          </button>
        )}
        <span className={styles.score} title="How well this passage fits, from 0 to 1">
          {hit.score.toFixed(2)}
        </span>
        <button
          type="button"
          className={styles.quiet}
          onClick={() => {
            const link = new URL(linkTo(hit, ""), location.origin).href;
            void copy(link).then((done) =>
              tell(done ? "The link to this passage is copied." : `Copy it by hand: ${link}`, {
                tone: done ? "idle" : "bad",
              }),
            );
          }}
        >
          <Icon name="copy" size={12} />
          Copy link
        </button>
        {hit.explain && (
          <button type="button" aria-expanded={why} className={styles.quiet} onClick={() => setWhy(!why)}>
            why?
          </button>
        )}
      </div>
      {why && hit.explain && <Why hit={hit} explain={hit.explain} />}
      {more && <More hit={hit} state={state} from={from} />}
    </li>
  );
}

function Passage({ hit }: { hit: Hit }) {
  const { media_type } = hit.document;
  const code = standsAsWritten(media_type);
  return (
    <p className={`${styles.passage} ${code ? styles.code : ""}`} dir={code ? "ltr" : "auto"}>
      <Highlighted text={hit.passage.text} spans={hit.highlights} mediaType={media_type} />
    </p>
  );
}

function More({ hit, state, from }: { hit: Hit; state: SearchState; from: string }) {
  const others = useMorePassages(state, hit.document.id, true);
  if (others.isError) return <Notice tone="bad">{problemLine(others.error)}</Notice>;
  if (!others.data) return <SkeletonText lines={3} />;
  return (
    <ol className={styles.others} aria-label={`More passages of ${hit.document.title || hit.document.name}`}>
      {others.data.hits
        .filter((other) => other.chunk_id !== hit.chunk_id)
        .map((other) => (
          <li key={other.chunk_id} className={styles.other}>
            <Link to={linkTo(other, from)} className={styles.otherWhere}>
              {place(other) ?? other.heading_path.at(-1) ?? "Open"}
            </Link>
            <Passage hit={other} />
          </li>
        ))}
    </ol>
  );
}
