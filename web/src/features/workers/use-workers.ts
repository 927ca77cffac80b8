/** Queues, workers and recoveries. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, client } from "@/api/client";
import { refetch } from "@/api/query";

const QUEUES = "/api/v1/queues";

export function useQueues() {
  return api.useQuery("get", QUEUES, {}, { refetchInterval: 5_000 });
}

export function useWorkers() {
  return api.useQuery("get", "/api/v1/workers", {}, { refetchInterval: 5_000 });
}

export function useRecoveries(days: number) {
  return api.useQuery("get", "/api/v1/recoveries", { params: { query: { days } } }, { refetchInterval: 15_000 });
}

export type QueueChange = { paused?: boolean; max_running?: number; unlimited?: boolean };

export function useChangeQueue(queue: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (body: QueueChange) => {
      await client.PATCH("/api/v1/queues/{queue}", {
        params: { path: { queue } },
        body: { unlimited: false, ...body },
      });
    },
    onSettled: () => refetch(cache, QUEUES),
  });
}
