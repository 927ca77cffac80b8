/** Documents: the filtered list, one, its retry. */
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { api, PAGED } from "@/api/client";
import { usePollEvery } from "@/api/live";
import { refetch } from "@/api/query";

const LIST = "/api/v1/documents";
const ONE = "/api/v1/documents/{document_id}";
const TOUCHED = [
  LIST,
  ONE,
  "/api/v1/collections/{collection_id}/failures",
  "/api/v1/collections/{collection_id}",
  "/api/v1/collections",
  "/api/v1/jobs",
];

export type ListFilter = {
  collection: string;
  state?: string | null;
  code?: string | null;
  media?: string | null;
  language?: string | null;
  source?: string | null;
  parent?: string | null;
  q?: string | null;
};

export function useDocuments(filter: ListFilter, moving: boolean) {
  const fast = usePollEvery(true);
  const slow = usePollEvery(false);
  const query = Object.fromEntries(
    Object.entries({
      collection: filter.collection,
      state: filter.state,
      code: filter.code,
      media_type: filter.media,
      language: filter.language,
      source: filter.source,
      parent: filter.parent,
      q: filter.q,
      limit: 50,
    }).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  );
  return api.useInfiniteQuery(
    "get",
    LIST,
    { ...PAGED, params: { query } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      placeholderData: keepPreviousData,
      refetchInterval: moving ? fast : slow,
    },
  );
}

export function useDocument(document: string) {
  const moving = usePollEvery(true);
  return api.useQuery(
    "get",
    ONE,
    { params: { path: { document_id: document } } },
    { refetchInterval: ({ state }) => (state.data?.state === "pending" ? moving : false) },
  );
}

export function useFailures(collection: string) {
  const poll = usePollEvery(false);
  return api.useInfiniteQuery(
    "get",
    "/api/v1/collections/{collection_id}/failures",
    { ...PAGED, params: { path: { collection_id: collection }, query: { limit: 100 } } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: poll,
    },
  );
}

export function useRetry() {
  const cache = useQueryClient();
  return api.useMutation("post", "/api/v1/documents/{document_id}/retry", {
    onSuccess: () => refetch(cache, ...TOUCHED),
  });
}

export function useRetryFailed() {
  const cache = useQueryClient();
  return api.useMutation("post", "/api/v1/collections/{collection_id}/retry-failed", {
    onSuccess: () => refetch(cache, ...TOUCHED),
  });
}

export function useDeleteDocument() {
  const cache = useQueryClient();
  return api.useMutation("delete", ONE, { onSuccess: () => refetch(cache, ...TOUCHED) });
}
