/** Queues, recoveries, and what can be done to queues and workers. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, client } from "@/api/client";
import { refetch } from "@/api/query";

const QUEUES = "/api/v1/queues";
const WORKERS = "/api/v1/workers";

export function useQueues() {
  return api.useQuery("get", QUEUES, {}, { refetchInterval: 5_000 });
}

/** Has the worker of this process take no more jobs, or take them again: with all its processes. */
export function useDrain(process: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (drain: boolean) => {
      const params = { path: { worker_id: process } };
      if (drain) await client.POST("/api/v1/workers/{worker_id}/drain", { params });
      else await client.POST("/api/v1/workers/{worker_id}/resume", { params });
    },
    onSettled: () => refetch(cache, WORKERS, "/readyz"),
  });
}

export function useRecoveries(days: number) {
  return api.useQuery("get", "/api/v1/recoveries", { params: { query: { days } } }, { refetchInterval: 15_000 });
}

export type Limits = { max_running: number | null; max_per_tenant: number | null };

export function usePauseQueue(queue: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (paused: boolean) => {
      await client.PATCH("/api/v1/queues/{queue}", { params: { path: { queue } }, body: { paused } });
    },
    onSettled: () => refetch(cache, QUEUES),
  });
}

/** Limits of the queue as a whole, or of one kind in it. */
export function useLimit(queue: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async ({ kind, limits }: { kind: string; limits: Limits }) => {
      if (kind === "") await client.PATCH("/api/v1/queues/{queue}", { params: { path: { queue } }, body: limits });
      else
        await client.PATCH("/api/v1/queues/{queue}/kinds/{kind}", { params: { path: { queue, kind } }, body: limits });
    },
    onSettled: () => refetch(cache, QUEUES),
  });
}
