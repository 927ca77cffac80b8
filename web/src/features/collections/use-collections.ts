/** Collections: the list, one, and what can be done to it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useOutletContext } from "react-router";
import { api, PAGED } from "@/api/client";
import { usePollEvery } from "@/api/live";
import { refetch } from "@/api/query";
import type { Chunking, Collection } from "@/api/types";
import { sendForm } from "@/api/upload";

const LIST = "/api/v1/collections";
const ONE = "/api/v1/collections/{collection_id}";

export function useCollections(q: string) {
  const poll = usePollEvery(false);
  return api.useInfiniteQuery(
    "get",
    LIST,
    { ...PAGED, params: { query: { limit: 50, ...(q ? { q } : {}) } } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: poll,
      placeholderData: (previous) => previous,
    },
  );
}

export function useCollectionLive(collection: string) {
  const moving = usePollEvery(true);
  const still = usePollEvery(false);
  return api.useQuery(
    "get",
    ONE,
    { params: { path: { collection_id: collection } } },
    { refetchInterval: ({ state }) => (state.data && state.data.ledger.pending > 0 ? moving : still) },
  );
}

export function useCreateCollection() {
  const cache = useQueryClient();
  return api.useMutation("post", LIST, { onSuccess: () => refetch(cache, LIST) });
}

export function useChangeCollection() {
  const cache = useQueryClient();
  return api.useMutation("patch", ONE, { onSuccess: () => refetch(cache, LIST, ONE) });
}

/** Takes in a bundle; the job names the collection once it is there. */
export function useImportCollection() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (file: File) => {
      const body = new FormData();
      body.append("file", file);
      return sendForm<{ job_id: string }>("/api/v1/collections/import", body);
    },
    onSuccess: () => refetch(cache, LIST, "/api/v1/jobs"),
  });
}

export function useDeleteCollection() {
  const cache = useQueryClient();
  return api.useMutation("delete", ONE, { onSuccess: () => refetch(cache, LIST, "/api/v1/jobs") });
}

export function usePreview(text: string, chunking: Chunking, model: string | null, enabled: boolean) {
  return api.useQuery(
    "post",
    "/api/v1/chunking/preview",
    { body: { text, chunking, ...(model ? { embedding_model: model } : {}) } },
    { enabled: enabled && text.trim() !== "", placeholderData: (previous) => previous, retry: false },
  );
}

/** The collection that the frame around this tab has loaded. */
export function useFramedCollection() {
  return useOutletContext<{ collection: Collection }>().collection;
}
