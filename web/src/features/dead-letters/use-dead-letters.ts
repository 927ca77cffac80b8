/** Dead letters: the list, and another try for one, for some or for all. */
import { keepPreviousData, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, client, PAGED } from "@/api/client";
import { usePollEvery } from "@/api/live";
import { unanswered } from "@/api/problem";
import { refetch } from "@/api/query";
import type { DeadLetter } from "@/api/types";

const LETTERS = "/api/v1/dead-letters";
const TOUCHED = [LETTERS, "/api/v1/jobs", "/api/v1/jobs/{job_id}", "/api/v1/jobs/{job_id}/items"];

export type LetterFilter = {
  what?: string | null;
  code?: string | null;
  kind?: string | null;
  collection?: string | null;
};

function asked({ what, code, kind, collection }: LetterFilter) {
  return {
    ...(what === "job" || what === "item" ? { what: what as DeadLetter["what"] } : {}),
    ...(code ? { code } : {}),
    ...(kind ? { kind } : {}),
    ...(collection ? { collection } : {}),
  };
}

export function useDeadLetters(filter: LetterFilter) {
  const poll = usePollEvery(true);
  return api.useInfiniteQuery(
    "get",
    LETTERS,
    { ...PAGED, params: { query: { limit: 50, ...asked(filter) } } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      placeholderData: keepPreviousData,
      refetchInterval: poll,
    },
  );
}

export function useDeadCount(): number {
  const query = api.useQuery("get", LETTERS, { params: { query: { limit: 1 } } }, { refetchInterval: 30_000 });
  return query.data ? query.data.failed_jobs + query.data.failed_items : 0;
}

/** All that the filter finds, call after call while there is more. */
export function useRetryAll() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (filter: LetterFilter) => {
      const sum = { failed_jobs: 0, failed_items: 0, refused: 0 };
      for (;;) {
        const { data } = await client.POST("/api/v1/dead-letters/retry", { body: asked(filter) });
        if (!data) throw unanswered("The server did not say what it tries again");
        sum.failed_jobs += data.failed_jobs;
        sum.failed_items += data.failed_items;
        sum.refused = data.refused;
        if (!data.more || data.failed_jobs + data.failed_items === 0) return sum;
      }
    },
    onSettled: () => refetch(cache, ...TOUCHED),
  });
}

export function useRetryOne() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async ({ what, job_id, key }: DeadLetter) => {
      const params = { path: { job_id } };
      const { data } =
        what === "job"
          ? await client.POST("/api/v1/jobs/{job_id}/retry", { params })
          : await client.POST("/api/v1/jobs/{job_id}/retry-failed", { params, body: { keys: key ? [key] : null } });
      if (!data) throw unanswered("The server did not name the job");
      return data;
    },
    onSettled: () => refetch(cache, ...TOUCHED),
  });
}
