/** The file as it came, to check the text against. */
import { useState } from "react";
import { download } from "@/api/client";
import { problemLine } from "@/api/problem";
import type { DocumentDetail } from "@/api/types";
import { Button } from "@/ui/button";
import { tell } from "@/ui/toast";

export function Original({
  document,
  children,
}: {
  document: Pick<DocumentDetail, "id" | "name"> | undefined;
  children: string;
}) {
  const [busy, setBusy] = useState(false);
  return (
    <Button
      small
      icon="download"
      busy={busy}
      onClick={() => {
        if (!document) return;
        setBusy(true);
        download(`/api/v1/documents/${encodeURIComponent(document.id)}/original`, document.name)
          .catch((error: unknown) => tell(problemLine(error), { tone: "bad" }))
          .finally(() => setBusy(false));
      }}
    >
      {children}
    </Button>
  );
}
