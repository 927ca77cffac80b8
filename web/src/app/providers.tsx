/** What every page stands on: the query cache. */
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { createCache } from "@/api/query";

export function Providers({ children, cache }: { children: ReactNode; cache?: QueryClient }) {
  const [own] = useState(() => cache ?? createCache());
  return <QueryClientProvider client={own}>{children}</QueryClientProvider>;
}
