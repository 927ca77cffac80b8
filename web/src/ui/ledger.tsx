/** The completeness ledger: listed = indexed + partial + skipped + failed + pending, as a sum and as a bar. Each part leads to its documents. */
import type { ReactNode } from "react";
import { count, counted } from "@/lib/format";
import { DOCUMENT_STATES, type DocumentState, documentLook } from "@/lib/words";
import { Icon } from "./icon";
import styles from "./ledger.module.css";

export type LedgerCounts = Record<DocumentState, number> & { listed: number };
export type PartLink = (state: DocumentState | null, content: ReactNode, className: string) => ReactNode;

const plainLink: PartLink = (_, content, className) => <span className={className}>{content}</span>;

export function LedgerBar({ ledger, thin = false }: { ledger: LedgerCounts; thin?: boolean }) {
  return (
    <div className={`${styles.bar} ${thin ? styles.thin : ""}`} aria-hidden="true">
      {DOCUMENT_STATES.filter((state) => ledger[state] > 0).map((state) => (
        <span key={state} className={`${styles.part} ${styles[state]}`} style={{ flexGrow: ledger[state] }} />
      ))}
    </div>
  );
}

export function LedgerSum({
  ledger,
  link = plainLink,
  brief = false,
}: {
  ledger: LedgerCounts;
  link?: PartLink;
  /** Leaves out parts that are zero. */
  brief?: boolean;
}) {
  const parts = DOCUMENT_STATES.filter((state) => !brief || ledger[state] > 0);
  return (
    <p className={styles.sum}>
      {link(null, <>{count(ledger.listed)} listed</>, styles.total ?? "")}
      {parts.map((state, i) => (
        <span key={state} className={styles.term}>
          <span className={styles.sign}>{i === 0 ? "=" : "+"}</span>
          {link(
            state,
            <>
              <span className={`${styles.key} ${styles[state]}`}>
                <Icon name={documentLook(state).icon} size={12} />
              </span>
              {count(ledger[state])} {state}
            </>,
            `${styles.link} ${ledger[state] === 0 ? styles.zero : ""}`,
          )}
        </span>
      ))}
    </p>
  );
}

export function ledgerWords(ledger: LedgerCounts): string {
  if (ledger.listed === 0) return "No documents yet";
  if (ledger.indexed === ledger.listed) return `${counted(ledger.listed, "document")}, all indexed`;
  return `${count(ledger.indexed)} of ${counted(ledger.listed, "document")} indexed`;
}
