/** Sources of a collection: list, add, change, sync, remove. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, client } from "@/api/client";
import { usePollEvery } from "@/api/live";
import { refetch } from "@/api/query";
import type { Plan } from "@/api/types";

const OF_COLLECTION = "/api/v1/collections/{collection_id}/sources";
const ONE = "/api/v1/sources/{source_id}";
const TOUCHED = [
  OF_COLLECTION,
  ONE,
  "/api/v1/collections/{collection_id}",
  "/api/v1/collections",
  "/api/v1/documents",
  "/api/v1/jobs",
];

export function useSources(collection: string) {
  const moving = usePollEvery(true);
  const still = usePollEvery(false);
  return api.useQuery(
    "get",
    OF_COLLECTION,
    { params: { path: { collection_id: collection }, query: { limit: 100 } } },
    { refetchInterval: ({ state }) => (state.data?.items.some((s) => s.ledger.pending > 0) ? moving : still) },
  );
}

export function useSource(source: string) {
  return api.useQuery("get", ONE, { params: { path: { source_id: source } } });
}

export function useCreateSource() {
  const cache = useQueryClient();
  return api.useMutation("post", OF_COLLECTION, { onSuccess: () => refetch(cache, ...TOUCHED) });
}

export function useChangeSource() {
  const cache = useQueryClient();
  return api.useMutation("patch", ONE, { onSuccess: () => refetch(cache, ...TOUCHED) });
}

export function useDeleteSource() {
  const cache = useQueryClient();
  return api.useMutation("delete", ONE, { onSuccess: () => refetch(cache, ...TOUCHED) });
}

export function useSync() {
  const cache = useQueryClient();
  return useMutation({
    /** `deleting`: so many deletions were shown and confirmed. */
    mutationFn: async ({ source, deleting = null }: { source: string; deleting?: number | null }) => {
      const { data } = await client.POST("/api/v1/sources/{source_id}/sync", {
        params: { path: { source_id: source }, query: { dry_run: false } },
        body: { max_delete: deleting },
      });
      return data as { job_id: string };
    },
    onSuccess: () => refetch(cache, ...TOUCHED),
  });
}

/** What a sync would do now; asked anew each time the page opens. */
export function usePlan(source: string) {
  return useQuery({
    queryKey: ["plan", source],
    queryFn: async ({ signal }) => {
      const { data } = await client.POST("/api/v1/sources/{source_id}/sync", {
        params: { path: { source_id: source }, query: { dry_run: true } },
        signal,
      });
      return data as Plan;
    },
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });
}

export type DirectorySettings = { path?: string; include?: string[]; exclude?: string[] };

/** One pattern a line; empty lines and spaces around do not count. */
export function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}
