/** The headings of a document; each leads to its place. */
import { useState } from "react";
import type { OutlineEntry } from "@/api/types";
import { Button } from "@/ui/button";
import styles from "./document.module.css";

const SHOWN = 300;

export function Outline({
  entries,
  at,
  onGo,
}: {
  entries: readonly OutlineEntry[];
  at: number;
  onGo: (start: number) => void;
}) {
  const [open, setOpen] = useState(false);
  const lowest = Math.min(...entries.map((entry) => entry.level));
  let current = -1;
  entries.forEach((entry, i) => {
    if (entry.start <= at) current = i;
  });
  return (
    <nav aria-label="Outline" className={styles.outline}>
      <div className={styles.outlineToggle}>
        <Button small icon="outline" aria-expanded={open} onClick={() => setOpen(!open)}>
          Outline
        </Button>
      </div>
      <ol className={open ? styles.entriesOpen : styles.entries}>
        {entries.slice(0, SHOWN).map((entry, i) => (
          <li key={`${entry.start}-${entry.title}`} style={{ paddingLeft: Math.min(4, entry.level - lowest) * 12 }}>
            <button
              type="button"
              className={styles.entry}
              aria-current={i === current ? "location" : undefined}
              onClick={() => {
                setOpen(false);
                onGo(entry.start);
              }}
            >
              <span>{entry.title}</span>
              {entry.page !== null && <span className={styles.entryPage}>{entry.page}</span>}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}
