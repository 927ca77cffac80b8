/** The plain page around set-up and log in. */
import type { ReactNode } from "react";
import { useTitle } from "@/ui/page";
import styles from "./accounts.module.css";

export function Entrance({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  useTitle(title);
  return (
    <main className={styles.entrance}>
      <div className={styles.door}>
        <p className={styles.brand}>
          <img src="/favicon.svg" alt="" width={22} height={22} />
          Semantik
        </p>
        <h1>{title}</h1>
        <p className={styles.lead}>{lead}</p>
        {children}
      </div>
    </main>
  );
}
