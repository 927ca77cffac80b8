/** Lets in who has a session; sends others to set-up (nobody lives here yet) or to log in, and remembers where they wanted to go. */
import { type ReactNode, useEffect, useState } from "react";
import { Navigate, useLocation } from "react-router";
import { client } from "@/api/client";
import { type Problem, problemOf } from "@/api/problem";
import { refresh, useSession } from "@/api/session";
import { paths } from "@/lib/paths";
import { Button } from "@/ui/button";
import { ProblemNotice } from "@/ui/notice";
import { Page } from "@/ui/page";
import { Skeleton, SkeletonText } from "@/ui/skeleton";
import { ShellFrame } from "./shell";

export function Gate({ children }: { children: ReactNode }) {
  const state = useSession();
  const location = useLocation();
  const [needed, setNeeded] = useState<boolean | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` asks again
  useEffect(() => {
    let here = true;
    const ask = async () => {
      setProblem(null);
      const { data } = await client.GET("/api/v1/setup");
      if (!here) return;
      if (data?.needed) setNeeded(true);
      else {
        setNeeded(false);
        await refresh();
      }
    };
    if (state.status === "unknown") {
      ask().catch((error: unknown) => {
        if (here) setProblem(problemOf(error));
      });
    }
    return () => {
      here = false;
    };
  }, [state.status, round]);

  if (state.status === "in") return children;
  if (needed) return <Navigate to={paths.setup()} replace />;
  if (state.status === "out")
    return <Navigate to={paths.login(location.pathname + location.search)} replace state={{ reason: state.reason }} />;
  return (
    <ShellFrame>
      {problem ? (
        <Page title="Semantik">
          <ProblemNotice
            problem={problem}
            actions={
              <Button icon="retry" onClick={() => setRound((n) => n + 1)}>
                Try again
              </Button>
            }
          />
        </Page>
      ) : (
        <Page title="Semantik" heading={<Skeleton width="140px" label="Semantik" />}>
          <SkeletonText lines={5} />
        </Page>
      )}
    </ShellFrame>
  );
}
