/** Numbers that narrow a list: "3 running · 12 queued". The chosen one is pressed. */
import type { ReactNode } from "react";
import { count } from "@/lib/format";
import styles from "./counters.module.css";

export type Counter = { key: string; count: number; word: string };

export function Bar({ children }: { children: ReactNode }) {
  return <div className={styles.bar}>{children}</div>;
}

export function Pickers({ children }: { children: ReactNode }) {
  return <span className={styles.pickers}>{children}</span>;
}

export function Counters({
  label,
  all = "all",
  counters,
  chosen,
  onChoose,
}: {
  label: string;
  all?: string;
  counters: readonly Counter[];
  chosen: string | null;
  onChoose: (key: string) => void;
}) {
  return (
    <nav aria-label={label} className={styles.counters}>
      <button type="button" className={styles.counter} aria-pressed={!chosen} onClick={() => onChoose("")}>
        {all}
      </button>
      {counters.map(({ key, word, count: n }) => (
        <button
          key={key}
          type="button"
          className={styles.counter}
          aria-pressed={chosen === key}
          onClick={() => onChoose(chosen === key ? "" : key)}
        >
          <strong>{count(n)}</strong> {word}
        </button>
      ))}
    </nav>
  );
}
