/** The text around a place, in windows, and the chunks that lie in it. A large document is never loaded whole. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { client } from "@/api/client";
import { unanswered } from "@/api/problem";
import type { Chunk } from "@/api/types";

export const WINDOW = 16_000;
/** So many windows stay on the page; the far ones are dropped and come back when scrolled to. */
const KEPT = 12;

export function useText(document: string, total: number, base: number, enabled: boolean) {
  const last = Math.max(0, Math.ceil(total / WINDOW) - 1);
  const query = useInfiniteQuery({
    queryKey: ["text", document, base],
    queryFn: async ({ pageParam, signal }) => {
      const start = pageParam * WINDOW;
      const { data } = await client.GET("/api/v1/documents/{document_id}/text", {
        params: { path: { document_id: document }, query: { start, end: start + WINDOW } },
        signal,
      });
      if (!data) throw unanswered("The document gave no text");
      return { index: pageParam, ...data };
    },
    initialPageParam: Math.min(base, last),
    getNextPageParam: (page) => (page.index < last ? page.index + 1 : undefined),
    getPreviousPageParam: (page) => (page.index > 0 ? page.index - 1 : undefined),
    maxPages: KEPT,
    staleTime: Number.POSITIVE_INFINITY,
    enabled,
  });
  const pages = query.data?.pages;
  const text = useMemo(() => pages?.map((page) => page.text).join("") ?? "", [pages]);
  return { ...query, text, start: pages?.[0]?.start ?? 0, end: pages?.at(-1)?.end ?? 0 };
}

/** One passage by its id; null when it is gone (the document was indexed again). */
export function useTarget(document: string, chunk: string | null) {
  return useQuery({
    queryKey: ["chunk", document, chunk],
    queryFn: async ({ signal }) => {
      const found = await around(document, chunk, 20, signal);
      return { chunk: found.find((item) => item.id === chunk) ?? null, near: found };
    },
    enabled: chunk !== null,
    retry: false,
    staleTime: 60_000,
  });
}

async function around(document: string, chunk: string | null, limit: number, signal?: AbortSignal): Promise<Chunk[]> {
  const { data } = await client.GET("/api/v1/documents/{document_id}/chunks", {
    params: { path: { document_id: document }, query: { limit, ...(chunk ? { around: chunk } : {}) } },
    signal,
  });
  return data?.items ?? [];
}

/** The chunks between `start` and `end`: asked around the outermost known one until the range is covered. */
export function useChunks(document: string, seed: readonly Chunk[], start: number, end: number, ready: boolean) {
  const [known, setKnown] = useState<{ document: string; byOrdinal: Map<number, Chunk> }>({
    document,
    byOrdinal: new Map(),
  });
  useEffect(() => {
    setKnown((old) => {
      const byOrdinal = new Map(old.document === document ? old.byOrdinal : []);
      for (const chunk of seed) byOrdinal.set(chunk.ordinal, chunk);
      return { document, byOrdinal };
    });
  }, [document, seed]);

  const sorted = useMemo(
    () => (known.document === document ? [...known.byOrdinal.values()].sort((a, b) => a.ordinal - b.ordinal) : []),
    [known, document],
  );
  const first = sorted[0];
  const last = sorted.at(-1);
  const back = first !== undefined && first.ordinal > 0 && first.start > start;
  const on = last !== undefined && last.end < end;
  const anchor = sorted.length === 0 ? null : back ? first.id : on ? (last?.id ?? null) : null;
  const missing = ready && end > start && (sorted.length === 0 || back || on);
  const [stuck, setStuck] = useState<string | null>(null);
  const key = `${document}/${anchor ?? ""}`;

  useEffect(() => {
    if (!missing || stuck === key) return;
    const abort = new AbortController();
    around(document, anchor, 100, abort.signal)
      .then((found) => {
        setKnown((old) => {
          const byOrdinal = new Map(old.document === document ? old.byOrdinal : []);
          const before = byOrdinal.size;
          for (const chunk of found) byOrdinal.set(chunk.ordinal, chunk);
          // Nothing new: the last passage ends before the text does.
          if (byOrdinal.size === before) setStuck(key);
          return { document, byOrdinal };
        });
      })
      .catch(() => {
        if (!abort.signal.aborted) setStuck(key);
      });
    return () => abort.abort();
  }, [document, anchor, missing, key, stuck]);

  return sorted;
}
