/** Whether what is stored agrees: the last comparison, a new one, and mending. */
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api } from "@/api/client";
import { problemLine, problemOf } from "@/api/problem";
import { useJob } from "@/api/queries";
import { refetch } from "@/api/query";
import type { Job } from "@/api/types";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { isActive, isEnded, jobLook } from "@/lib/words";
import { Button } from "@/ui/button";
import { Notice, ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";

const JOBS = "/api/v1/jobs";

type Report = { found?: Record<string, number>; mended?: Record<string, number>; lost?: number };

export function Agreement() {
  const cache = useQueryClient();
  const last = api.useQuery("get", JOBS, { params: { query: { kind: "doctor", limit: 1 } } });
  const start = api.useMutation("post", "/api/v1/doctor", {
    onSuccess: () => refetch(cache, JOBS),
    onError: (error) => tell(problemLine(error), { tone: "bad" }),
  });
  const newest = last.data?.items[0];
  const job = useJob(newest?.id ?? "", { enabled: newest !== undefined });
  const busy = job.data !== undefined && !isEnded(job.data.status) && job.data.status !== "paused";
  const why = busy ? "A comparison is under way." : null;
  const ask = (fix: boolean) => start.mutate({ body: { fix, hashes: true } });

  return (
    <Section title="Agreement">
      <p>
        Compares the database with the stored files, the vectors and the index. Mending changes only what does not
        agree.
      </p>
      {last.isError && <ProblemNotice problem={problemOf(last.error)} />}
      {job.data && (
        <Notice icon={busy ? "clock" : undefined}>
          <p>
            {isEnded(job.data.status) && job.data.finished_at ? (
              <>
                {came(job.data)} <Ago at={job.data.finished_at} />
              </>
            ) : (
              ((isActive(job.data.status) ? job.data.message : null) ?? "Waiting for its turn")
            )}
            {" · "}
            <Link to={paths.job(job.data.id)}>{job.data.title}</Link>
          </p>
        </Notice>
      )}
      <p>
        <Button why={why} busy={start.isPending} onClick={() => ask(false)}>
          Compare
        </Button>{" "}
        <Button why={why} busy={start.isPending} onClick={() => ask(true)}>
          Compare and mend
        </Button>
      </p>
    </Section>
  );
}

/** A comparison that did not come to its end found nothing out, which is not the same as finding nothing. */
function came({ status, outcome, result }: Pick<Job, "status" | "outcome" | "result">): string {
  return result ? said(result) : `Not compared: ${jobLook(status, outcome).word.toLowerCase()}.`;
}

function said({ found = {}, mended = {}, lost = 0 }: Report): string {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, one) => total + one, 0);
  if (sum(found) === 0) return "All agreed.";
  const parts = [`${count(sum(found))} found`, `${count(sum(mended))} mended`];
  if (lost) parts.push(`${count(lost)} lost: see the failed documents`);
  return `${parts.join(", ")} (${Object.keys(found).join(", ").replaceAll("_", " ")}).`;
}
