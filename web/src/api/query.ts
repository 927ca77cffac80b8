/** The query cache and its manners: what is retried, how long an answer stays fresh. */
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { isFinal, problemOf } from "./problem";

/** To the console: pages say no more of a mistake of ours than that there was one. */
const log = (error: unknown) => {
  if (problemOf(error).code === "bug") reportError(error);
};

export function createCache(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: log }),
    mutationCache: new MutationCache({ onError: log }),
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        gcTime: 300_000,
        retry: (failures, error) => !isFinal(error) && failures < 2,
        refetchOnWindowFocus: true,
      },
      mutations: { retry: false },
    },
  });
}

/** Every cached answer of these paths is asked again when it is on the screen. */
export function refetch(cache: QueryClient, ...paths: string[]): void {
  const wanted = new Set(paths);
  void cache.invalidateQueries({ predicate: ({ queryKey }) => wanted.has(String(queryKey[1])) });
}
