/** Questions that more than one feature asks. What only one asks lives in that feature's own hook. */
import { keepPreviousData } from "@tanstack/react-query";
import { isActive, isEnded } from "@/lib/words";
import { api } from "./client";
import { usePollEvery } from "./live";
import type { Collection, Job } from "./types";

/** All collections for pickers; a workspace holds tens of them. */
export function useAllCollections() {
  return api.useQuery("get", "/api/v1/collections", { params: { query: { limit: 100 } } });
}

export function useCollection(collection: string) {
  return api.useQuery("get", "/api/v1/collections/{collection_id}", {
    params: { path: { collection_id: collection } },
  });
}

export function useModels() {
  return api.useQuery("get", "/api/v1/models", {}, { staleTime: 300_000 });
}

export function useVersion() {
  return api.useQuery("get", "/api/v1/version", {}, { staleTime: 300_000 });
}

/** The names of the parts of the server that are not well. No error where one is down: the answer says which. */
export function useAway(): string[] {
  const ready = api.useQuery("get", "/readyz", {}, { refetchInterval: 5_000 });
  return ready.data?.parts.filter(({ state }) => state !== "ok").map(({ name }) => name) ?? [];
}

/** The processes that run jobs, newest first. */
export function useWorkers({ enabled = true } = {}) {
  return api.useQuery("get", "/api/v1/workers", {}, { enabled, refetchInterval: 5_000 });
}

/** The newest jobs, for the line at the top of the frame and for pages that wait for one. */
export function useRecentJobs() {
  const poll = usePollEvery(false);
  const query = api.useQuery(
    "get",
    "/api/v1/jobs",
    { params: { query: { limit: 50 } } },
    {
      refetchInterval: ({ state }) => (state.data?.items.some((job) => isActive(job.status)) && poll ? 2_000 : poll),
      placeholderData: keepPreviousData,
    },
  );
  return { ...query, jobs: query.data?.items ?? ([] as Job[]) };
}

export function useJob(job: string, { enabled = true } = {}) {
  const moving = usePollEvery(true);
  return api.useQuery(
    "get",
    "/api/v1/jobs/{job_id}",
    { params: { path: { job_id: job } } },
    { enabled, refetchInterval: ({ state }) => (state.data && isEnded(state.data.status) ? false : moving) },
  );
}

export type { Collection };
