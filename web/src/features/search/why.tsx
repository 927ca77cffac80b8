/** What the search knew about a hit, in plain language. */
import type { Hit } from "@/api/types";
import { asSentence } from "@/lib/format";
import styles from "./search.module.css";

type Explain = NonNullable<Hit["explain"]>;

function ordinal(n: number): string {
  const tens = n % 100;
  const suffix = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${suffix}`;
}

/** The words as the passage marks them, each once: the parts of a code that is marked whole are no words of their own. */
export function marked({ passage, highlights }: Pick<Hit, "passage" | "highlights">): string[] {
  const points = [...passage.text];
  const words = highlights.map(({ start, end }) => points.slice(start, end).join(""));
  return [...new Map(words.toReversed().map((word) => [word.toLowerCase(), word])).values()].toReversed();
}

export function Why({ hit, explain }: { hit: Hit; explain: Explain }) {
  const { dense, sparse, weights } = explain;
  // Weights may be of any size: only their proportion means something.
  const whole = weights.dense + weights.sparse || 1;
  const share = (value: number) => `${Math.round((100 * value) / whole)} %`;
  const found = marked(hit);
  return (
    <dl className={styles.why} aria-label="Why this passage">
      <div>
        <dt>By meaning</dt>
        <dd>
          {dense ? (
            <>
              {dense.rank === null ? "Beyond the first passages" : `${ordinal(dense.rank)} of all passages`}, closeness{" "}
              {dense.score.toFixed(3)}.
            </>
          ) : (
            "Not among the closest passages."
          )}
        </dd>
      </div>
      <div>
        <dt>By words</dt>
        <dd>
          {sparse ? (
            <>
              {sparse.rank === null ? "Beyond the first passages" : `${ordinal(sparse.rank)} of all passages`}
              {found.length > 0 && (
                <>
                  , matching{" "}
                  {found.map((term, i) => (
                    <span key={term}>
                      {i > 0 && ", "}
                      <mark>{term}</mark>
                    </span>
                  ))}
                </>
              )}
              .
            </>
          ) : (
            "None of the words of the question."
          )}
        </dd>
      </div>
      <div>
        <dt>Weighing</dt>
        <dd>
          Meaning counts {share(weights.dense)}, words {share(weights.sparse)}. {asSentence(explain.why)}
        </dd>
      </div>
      <div>
        <dt>Score</dt>
        <dd>{hit.score.toFixed(3)} of 1</dd>
      </div>
    </dl>
  );
}
