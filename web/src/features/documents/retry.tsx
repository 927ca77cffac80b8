/** Trying a document again, with its password when that is what it lacked. */
import { useState } from "react";
import { problemLine } from "@/api/problem";
import type { Document } from "@/api/types";
import { paths } from "@/lib/paths";
import { Button } from "@/ui/button";
import { tell } from "@/ui/toast";
import styles from "./documents.module.css";
import { useRetry } from "./use-documents";

/** Left out for what the file is: reading the same bytes again ends the same, and a changed file is read by the next sync. */
const SETTLED = new Set(["empty_file", "lfs_pointer", "executable", "unknown_type", "unsupported_type"]);

const LOCKED = new Set(["needs_password", "wrong_password"]);

export function Retry({ document }: { document: Pick<Document, "id" | "name" | "state" | "code"> }) {
  const retry = useRetry();
  const [password, setPassword] = useState("");
  const locked = LOCKED.has(document.code ?? "");
  if (document.state === "skipped" && SETTLED.has(document.code ?? "")) return null;
  return (
    <form
      className={styles.retry}
      onSubmit={(event) => {
        event.preventDefault();
        if (retry.isPending || (locked && !password)) return;
        retry.mutate(
          { params: { path: { document_id: document.id } }, body: locked ? { password } : {} },
          {
            onSuccess: (answer) => {
              setPassword("");
              tell(
                `“${document.name}” is being read again.`,
                answer.job_id ? { href: paths.job(answer.job_id), action: "Watch" } : {},
              );
            },
            onError: (error) => tell(problemLine(error), { tone: "bad" }),
          },
        );
      }}
    >
      {locked && (
        <input
          type="password"
          autoComplete="off"
          className={styles.password}
          aria-label={`Password of ${document.name}`}
          placeholder="Password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
      )}
      <Button
        type="submit"
        small
        icon="retry"
        busy={retry.isPending}
        aria-label={`Retry ${document.name}`}
        why={locked && !password ? "Enter the password first." : null}
      >
        Retry
      </Button>
    </form>
  );
}
