/** Schedules: the list, one of them, and what can be done to it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, client } from "@/api/client";
import type { components } from "@/api/generated/schema";
import { unanswered } from "@/api/problem";
import { refetch } from "@/api/query";

type S = components["schemas"];

const LIST = "/api/v1/schedules";
const ONE = "/api/v1/schedules/{schedule_id}";
const RUNS = `${ONE}/runs` as const;

export function useSchedules() {
  return api.useQuery("get", LIST, {}, { refetchInterval: 15_000 });
}

export function useSchedule(schedule: string) {
  return api.useQuery("get", ONE, { params: { path: { schedule_id: schedule } } }, { refetchInterval: 15_000 });
}

export function useRuns(schedule: string) {
  return api.useQuery(
    "get",
    RUNS,
    { params: { path: { schedule_id: schedule }, query: { limit: 20 } } },
    { refetchInterval: 15_000 },
  );
}

export function useSourcesOf(collection: string) {
  return api.useQuery(
    "get",
    "/api/v1/collections/{collection_id}/sources",
    { params: { path: { collection_id: collection }, query: { limit: 200 } } },
    { enabled: collection !== "" },
  );
}

export function useSource(source: string) {
  return api.useQuery(
    "get",
    "/api/v1/sources/{source_id}",
    { params: { path: { source_id: source } } },
    { enabled: source !== "" },
  );
}

export function useKinds() {
  return api.useQuery("get", "/api/v1/schedules/kinds", {}, { staleTime: 300_000 });
}

export type Times = { cron: string | null; every_s: number | null; timezone: string };

/** When a rhythm would fire; asked while it is being written. */
export function useTimes(times: Times | null) {
  return useQuery({
    queryKey: ["schedule times", times],
    enabled: times !== null,
    retry: false,
    queryFn: async ({ signal }) => {
      if (!times) throw unanswered("There is no rhythm yet");
      const { data } = await client.POST("/api/v1/schedules/preview", { body: times, signal });
      return data?.next_five ?? [];
    },
  });
}

export function useCreateSchedule() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (body: S["NewSchedule"]) => {
      const { data } = await client.POST(LIST, { body });
      if (!data) throw unanswered("The server did not name the schedule");
      return data;
    },
    onSuccess: () => refetch(cache, LIST),
  });
}

export function useChangeSchedule(schedule: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: async (body: S["ScheduleChange"]) => {
      await client.PATCH(ONE, { params: { path: { schedule_id: schedule } }, body });
    },
    onSuccess: () => refetch(cache, LIST, ONE),
  });
}

export type Act = "pause" | "resume" | "run-now" | "delete";

/** Returns the job that "run now" started. */
export function useAct(schedule: string) {
  const cache = useQueryClient();
  const params = { path: { schedule_id: schedule } };
  return useMutation({
    mutationFn: async (act: Act): Promise<string | null> => {
      if (act === "delete") {
        await client.DELETE(ONE, { params });
        return null;
      }
      if (act === "run-now") {
        const { data } = await client.POST(`${ONE}/run-now`, { params });
        return data?.job_id ?? null;
      }
      await client.POST(`${ONE}/${act}`, { params });
      return null;
    },
    onSuccess: (_, act) => {
      // A deleted schedule must not be asked for again by the page that is about to leave.
      if (act === "delete") refetch(cache, LIST);
      else refetch(cache, LIST, ONE, RUNS, "/api/v1/jobs");
    },
  });
}
