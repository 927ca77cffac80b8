/** Text in, passages out: what a choice of chunking does to a text, while it is typed. */
import { useEffect, useState } from "react";
import { problemLine } from "@/api/problem";
import type { Chunking } from "@/api/types";
import { counted } from "@/lib/format";
import { TextArea } from "@/ui/field";
import { Notice } from "@/ui/notice";
import styles from "./collections.module.css";
import { usePreview } from "./use-collections";

const SAMPLE = `# Heating

## Service

The boiler in the cellar is serviced every October. The filter is changed at the same visit, and the pressure is brought back to 1.5 bar.

Between visits, look at the gauge once a month. Below 1 bar the pump switches itself off, and the radiators on the top floor stay cold.

## Faults

Code E04 means that the flame went out. Press reset once, wait a minute, and listen for the fan. If it comes back within a day, call the service and say the number on the plate.`;

function useSettled<T>(value: T, wait_ms = 300): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), wait_ms);
    return () => clearTimeout(timer);
  }, [value, wait_ms]);
  return settled;
}

export function ChunkPreviewPane({ chunking, model }: { chunking: Chunking; model: string | null }) {
  const [text, setText] = useState(SAMPLE);
  const asked = useSettled(JSON.stringify({ text, chunking, model }));
  const settled = JSON.parse(asked) as { text: string; chunking: Chunking; model: string | null };
  const preview = usePreview(settled.text, settled.chunking, settled.model, true);
  const chunks = preview.data?.chunks ?? [];
  return (
    <section className={styles.preview} aria-label="Preview of passages">
      <TextArea
        label="Try it on a text"
        help={preview.isError ? undefined : chunks.length > 0 ? counted(chunks.length, "passage") : undefined}
        rows={7}
        value={text}
        onChange={(e) => setText(e.target.value)}
      />
      {preview.isError ? (
        <Notice tone="bad" icon="warning">
          {problemLine(preview.error)}
        </Notice>
      ) : (
        <ol className={styles.chunks}>
          {chunks.slice(0, 50).map((chunk) => (
            <li key={`${chunk.ordinal}-${chunk.start}`} className={styles.chunk}>
              <p className={styles.chunkHead}>
                <span>{chunk.ordinal + 1}</span>
                <span className={styles.chunkTrail}>{chunk.heading_path.join(" › ")}</span>
                <span>{counted(chunk.tokens, "token")}</span>
              </p>
              <p className={styles.chunkText} dir="auto">
                {chunk.text}
              </p>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
