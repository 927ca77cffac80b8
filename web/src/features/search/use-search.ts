/** The search as the URL says it, and its answer. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { api, client } from "@/api/client";
import { unanswered } from "@/api/problem";
import type { SearchRequest } from "@/api/types";

export const MODES = [
  { value: "hybrid", word: "Best" },
  { value: "dense", word: "By meaning" },
  { value: "sparse", word: "By words" },
] as const;
type Mode = (typeof MODES)[number]["value"];

export type SearchState = {
  q: string;
  in: string[];
  mode: Mode;
  media: string;
  language: string;
  tag: string;
  after: string;
  before: string;
};

export const NO_FILTERS = { media: "", language: "", tag: "", after: "", before: "" } satisfies Partial<SearchState>;

const FIELDS = ["q", "in", "mode", "media", "language", "tag", "after", "before"] as const;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

export function readState(params: URLSearchParams): SearchState {
  const day = (name: string) => (DAY.test(params.get(name) ?? "") ? (params.get(name) ?? "") : "");
  return {
    q: params.get("q") ?? "",
    in: params.get("in")?.split(",").filter(Boolean) ?? [],
    mode: MODES.find(({ value }) => value === params.get("mode"))?.value ?? "hybrid",
    media: params.get("media") ?? "",
    language: params.get("language") ?? "",
    tag: params.get("tag") ?? "",
    after: day("after"),
    before: day("before"),
  };
}

export function toRequest(state: SearchState): SearchRequest {
  const one = (value: string) => (value ? [value] : []);
  return {
    query: state.q.trim(),
    mode: state.mode,
    limit: 10,
    group_by: "document",
    explain: true,
    ...(state.in.length ? { collections: state.in } : {}),
    filters: {
      sources: [],
      documents: [],
      media_types: state.media ? state.media.split(",") : [],
      languages: one(state.language),
      tags: one(state.tag),
      ...(state.after ? { modified_after: `${state.after}T00:00:00Z` } : {}),
      ...(state.before ? { modified_before: `${state.before}T23:59:59Z` } : {}),
    },
  };
}

const SCOPE = "semantik.search.in";

/** The collections one searched in last; an address that names its own, or a question, goes before them. */
export function rememberedScope(): string[] {
  try {
    return localStorage.getItem(SCOPE)?.split(",").filter(Boolean) ?? [];
  } catch {
    return [];
  }
}

function rememberScope(collections: readonly string[]) {
  try {
    if (collections.length) localStorage.setItem(SCOPE, collections.join(","));
    else localStorage.removeItem(SCOPE);
  } catch {
    // A closed storage forgets; nothing else is lost.
  }
}

export function countFilters(state: SearchState): number {
  return [state.media, state.language, state.tag, state.after, state.before].filter(Boolean).length;
}

export function useSearchState() {
  const [params, setParams] = useSearchParams();
  const state = useMemo(() => readState(params), [params]);
  const change = (next: Partial<SearchState>, { replace = false } = {}) => {
    if (next.in) rememberScope(next.in);
    setParams(
      (old) => {
        const out = new URLSearchParams(old);
        for (const field of FIELDS) {
          if (!(field in next)) continue;
          const value = next[field];
          const text = Array.isArray(value) ? value.join(",") : (value ?? "");
          if (text === "" || (field === "mode" && text === "hybrid")) out.delete(field);
          else out.set(field, text);
        }
        return out;
      },
      { replace },
    );
  };
  return { state, change };
}

async function ask(body: SearchRequest, signal: AbortSignal) {
  const { data } = await client.POST("/api/v1/search", { body, signal });
  if (!data) throw unanswered("The search gave no answer");
  return data;
}

export function useSearch(state: SearchState) {
  const request = toRequest(state);
  return useInfiniteQuery({
    queryKey: ["search", request],
    queryFn: ({ pageParam, signal }) => ask({ ...request, ...(pageParam ? { cursor: pageParam } : {}) }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    enabled: request.query !== "",
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
}

/** Tried questions about the sample corpus, where it is indexed. */
export function useQuestions(enabled: boolean) {
  return api.useQuery("get", "/api/v1/search/questions", {}, { enabled, staleTime: 300_000 });
}

/** The other passages of one document, for the same question. */
export function useMorePassages(state: SearchState, document: string, enabled: boolean) {
  const request = toRequest(state);
  const body: SearchRequest = {
    ...request,
    group_by: "none",
    limit: 20,
    filters: { ...request.filters, documents: [document] },
  };
  return useQuery({
    queryKey: ["search", "document", body],
    queryFn: ({ signal }) => ask(body, signal),
    enabled,
    staleTime: 60_000,
  });
}
