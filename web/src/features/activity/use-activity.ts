/** Jobs: the filtered list, one run, and what can be done to it. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, client, PAGED } from "@/api/client";
import { usePollEvery } from "@/api/live";
import { unanswered } from "@/api/problem";
import { refetch } from "@/api/query";
import type { BulkAnswer, BulkVerb, Job } from "@/api/types";
import { isEnded } from "@/lib/words";

const LIST = "/api/v1/jobs";
const ONE = "/api/v1/jobs/{job_id}";

export type { BulkVerb };
export type JobFilter = { status?: string | null; kind?: string | null; collection?: string | null };

export function useJobs(filter: JobFilter) {
  const fast = usePollEvery(true);
  const slow = usePollEvery(false);
  const query = {
    limit: 50,
    ...(filter.status ? { status: [filter.status as Job["status"]] } : {}),
    ...(filter.kind ? { kind: filter.kind } : {}),
    ...(filter.collection ? { collection: filter.collection } : {}),
  };
  return api.useInfiniteQuery(
    "get",
    LIST,
    { ...PAGED, params: { query } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      placeholderData: keepPreviousData,
      refetchInterval: ({ state }) =>
        state.data?.pages.some((page) => page.items.some((job) => !isEnded(job.status))) ? fast : slow,
    },
  );
}

const VERBS = {
  pause: "/api/v1/jobs/{job_id}/pause",
  resume: "/api/v1/jobs/{job_id}/resume",
  cancel: "/api/v1/jobs/{job_id}/cancel",
  restart: "/api/v1/jobs/{job_id}/restart",
  retry: "/api/v1/jobs/{job_id}/retry",
  "retry-failed": "/api/v1/jobs/{job_id}/retry-failed",
} as const;
export type Verb = keyof typeof VERBS | "delete";
export const ALL_VERBS = [...(Object.keys(VERBS) as (keyof typeof VERBS)[]), "delete"] as const;

export function useVerb(job: string) {
  const cache = useQueryClient();
  const params = { path: { job_id: job } };
  return useMutation({
    mutationFn: async (verb: Verb) => {
      if (verb !== "delete") return (await client.POST(VERBS[verb], { params })).data;
      await client.DELETE(ONE, { params });
      return undefined;
    },
    onSuccess: (_, verb) => {
      // A deleted job must not be asked for again by the page that is about to leave.
      if (verb === "delete") refetch(cache, LIST);
      else refetch(cache, LIST, ONE, `${ONE}/events`, `${ONE}/attempts`, `${ONE}/items`);
    },
  });
}

/** Replaces the budget of a paused job and lets it go on. */
export function useRaise(job: string) {
  const cache = useQueryClient();
  const params = { path: { job_id: job } };
  return useMutation({
    mutationFn: async (budget: Record<string, number>) => {
      await client.POST("/api/v1/jobs/{job_id}/budget", { params, body: { budget } });
      await client.POST(VERBS.resume, { params });
    },
    onSuccess: () => refetch(cache, LIST, ONE, `${ONE}/events`, `${ONE}/attempts`),
  });
}

export function useBulk() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async ({ filter, verb, priority }: { filter: JobFilter; verb: BulkVerb; priority: number | null }) => {
      const sum = { changed: 0, refused: 0 };
      // One call takes a thousand; the server says where to go on.
      for (let cursor: string | null = null; ; ) {
        const { data }: { data?: BulkAnswer } = await client.POST("/api/v1/jobs/bulk", {
          body: {
            verb,
            priority,
            cursor,
            status: filter.status ? [filter.status as Job["status"]] : [],
            ...(filter.kind ? { kind: filter.kind } : {}),
            ...(filter.collection ? { collection: filter.collection } : {}),
          },
        });
        if (!data) throw unanswered("The server did not say what it changed");
        sum.changed += data.changed;
        sum.refused += data.refused;
        cursor = data.next_cursor;
        if (cursor === null) return sum;
      }
    },
    onSettled: () => refetch(cache, LIST, ONE),
  });
}

export function useSetPriority(job: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (priority: number) => {
      await client.POST("/api/v1/jobs/{job_id}/priority", { params: { path: { job_id: job } }, body: { priority } });
    },
    onSuccess: () => refetch(cache, LIST, ONE),
  });
}

/** Makes a job of one item, or of all that failed. */
export function useRequeue(job: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (keys: string[] | null) => {
      const { data } = await client.POST("/api/v1/jobs/{job_id}/retry-failed", {
        params: { path: { job_id: job } },
        body: { keys },
      });
      if (!data) throw unanswered("The server did not name the job");
      return data;
    },
    onSettled: () => refetch(cache, LIST, ONE, `${ONE}/items`, "/api/v1/dead-letters"),
  });
}

export function useLog(job: string, level: "info" | "warning" | "error", moving: boolean) {
  const fast = usePollEvery(true);
  return api.useInfiniteQuery(
    "get",
    "/api/v1/jobs/{job_id}/logs",
    { ...PAGED, params: { path: { job_id: job }, query: { limit: 100, newest: true, level } } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: moving ? fast : false,
    },
  );
}

export function useGraph(job: string, moving: boolean) {
  const fast = usePollEvery(true);
  return api.useQuery(
    "get",
    "/api/v1/jobs/{job_id}/graph",
    { params: { path: { job_id: job } } },
    { refetchInterval: moving ? fast : false },
  );
}

export function useItems(job: string, state: string[], moving: boolean) {
  const fast = usePollEvery(true);
  return api.useInfiniteQuery(
    "get",
    "/api/v1/jobs/{job_id}/items",
    { ...PAGED, params: { path: { job_id: job }, query: { limit: 50, state } } },
    {
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: moving ? fast : false,
    },
  );
}

export function useAttempts(job: string, moving: boolean) {
  const fast = usePollEvery(true);
  return api.useQuery(
    "get",
    "/api/v1/jobs/{job_id}/attempts",
    { params: { path: { job_id: job } } },
    { refetchInterval: moving ? fast : false },
  );
}

const PAGE = 200;

/** The newest events of a job; earlier ones are fetched page by page. `seq` is the last one the job has told of. */
export function useEvents(job: string, seq: number, moving: boolean) {
  const fast = usePollEvery(true);
  // In steps, so that a running job does not begin a new query with each event.
  const base = Math.max(0, Math.floor((seq - PAGE / 2) / 100) * 100);
  return useInfiniteQuery({
    queryKey: ["get", `${ONE}/events`, job, base],
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await client.GET("/api/v1/jobs/{job_id}/events", {
        params: { path: { job_id: job }, query: { after: pageParam, limit: PAGE } },
        signal,
      });
      // The same address streams text to who asks for it; here it answers with a page.
      return { after: pageParam, items: typeof data === "object" ? data.items : [] };
    },
    initialPageParam: base,
    getNextPageParam: () => undefined,
    getPreviousPageParam: (first) => (first.after > 0 ? Math.max(0, first.after - PAGE) : undefined),
    placeholderData: keepPreviousData,
    refetchInterval: moving ? fast : false,
  });
}
