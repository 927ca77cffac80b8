/** What happened, to what, and what to do; the request id when it was not foreseen. */
import type { ReactNode } from "react";
import { asSentence } from "@/lib/format";
import { Icon, type IconName } from "./icon";
import styles from "./notice.module.css";

export type ProblemWords = {
  title: string;
  detail: string | null;
  hint: string | null;
  requestId: string | null;
  status: number;
};

export function Notice({
  tone = "idle",
  icon,
  children,
  actions,
}: {
  tone?: "idle" | "ok" | "warn" | "bad";
  icon?: IconName;
  children: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className={`${styles.notice} ${styles[tone]}`} role={tone === "bad" ? "alert" : "status"}>
      {icon && <Icon name={icon} />}
      <div className={styles.words}>{children}</div>
      {actions && <div className={styles.actions}>{actions}</div>}
    </div>
  );
}

export function ProblemNotice({ problem, actions }: { problem: ProblemWords; actions?: ReactNode }) {
  const unforeseen = problem.status >= 500 && problem.requestId;
  return (
    <Notice tone="bad" icon="warning" actions={actions}>
      <p>
        {asSentence(problem.detail ?? problem.title)} {asSentence(problem.hint)}
      </p>
      {unforeseen && (
        <p className={styles.id}>
          Request <code>{problem.requestId}</code>
        </p>
      )}
    </Notice>
  );
}

/** Nothing here: one sentence, one action. */
export function Empty({ children, action }: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p>{children}</p>
      {action}
    </div>
  );
}
