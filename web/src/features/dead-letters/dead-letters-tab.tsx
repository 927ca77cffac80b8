/** What failed for good, across jobs: failed jobs, and items that an ended job left failed or set aside. */
import { Link, useSearchParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { useAllCollections } from "@/api/queries";
import type { DeadLetter } from "@/api/types";
import { asSentence, count, counted } from "@/lib/format";
import { paths, withParam } from "@/lib/paths";
import { codeWords, sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { CollectionPicker } from "@/ui/collection-picker";
import { Bar, Counters, Pickers } from "@/ui/counters";
import { Picker } from "@/ui/field";
import { Name } from "@/ui/name";
import { Empty, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { useDeadLetters, useRetryAll, useRetryOne } from "./use-dead-letters";

export function DeadLettersTab() {
  const [params, setParams] = useSearchParams();
  const filter = { what: params.get("what"), code: params.get("code"), collection: params.get("collection") };
  const letters = useDeadLetters(filter);
  const collections = useAllCollections();
  const retryAll = useRetryAll();
  const first = letters.data?.pages[0];
  const rows = letters.data?.pages.flatMap((page) => page.items) ?? [];
  const total = first?.total ?? 0;
  const filtered = Object.values(filter).some(Boolean);
  const set = (name: string, value: string) => setParams((old) => withParam(old, name, value));
  const codes = new Map<string, number>();
  for (const { what, code, count: n } of first?.reasons ?? [])
    if (code && (!filter.what || filter.what === what)) codes.set(code, (codes.get(code) ?? 0) + n);

  return (
    <>
      <Bar>
        <Counters
          label="Dead letters by kind"
          counters={[
            {
              key: "job",
              count: first?.failed_jobs ?? 0,
              word: first?.failed_jobs === 1 ? "failed job" : "failed jobs",
            },
            {
              key: "item",
              count: first?.failed_items ?? 0,
              word: first?.failed_items === 1 ? "failed item" : "failed items",
            },
          ].filter(({ key, count: n }) => n > 0 || filter.what === key)}
          chosen={filter.what}
          onChoose={(key) => set("what", key)}
        />
        <Pickers>
          <Picker label="Reason" value={filter.code ?? ""} onChange={(e) => set("code", e.target.value)}>
            <option value="">Any reason</option>
            {[...codes].map(([code, n]) => (
              <option key={code} value={code}>
                {codeWords(code)} ({count(n)})
              </option>
            ))}
            {filter.code && !codes.has(filter.code) && <option value={filter.code}>{codeWords(filter.code)}</option>}
          </Picker>
          <CollectionPicker
            value={filter.collection ?? ""}
            collections={collections.data?.items}
            onChoose={(id) => set("collection", id)}
          />
          {total > 0 && (
            <Button
              small
              icon="retry"
              busy={retryAll.isPending}
              onClick={() =>
                retryAll.mutate(filter, {
                  onSuccess: (done) => tell(tried(done), { href: paths.jobs(), action: "Watch" }),
                  onError: (error) => tell(problemLine(error), { tone: "bad" }),
                })
              }
            >
              {filtered ? `Retry these ${count(total)}` : `Retry all ${count(total)}`}
            </Button>
          )}
        </Pickers>
      </Bar>
      {letters.isError && (
        <ProblemNotice
          problem={problemOf(letters.error)}
          actions={
            <Button small icon="retry" onClick={() => void letters.refetch()}>
              Try again
            </Button>
          }
        />
      )}
      {letters.isPending && <SkeletonRows rows={6} height={64} />}
      {letters.data && rows.length === 0 && (
        <Empty action={filtered ? <Button onClick={() => setParams({})}>Show all</Button> : undefined}>
          {filtered ? "Nothing with this reason." : "Nothing has failed for good."}
        </Empty>
      )}
      {rows.length > 0 && (
        <table className={table.table}>
          <thead>
            <tr>
              <th>What failed</th>
              <th>State</th>
              <th className={table.number}>Tries</th>
              <th className={table.number}>When</th>
              <th>
                <span className="hidden">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((letter) => (
              <Letter key={`${letter.job_id}/${letter.key ?? ""}`} letter={letter} />
            ))}
          </tbody>
        </table>
      )}
      {letters.hasNextPage && (
        <div className={table.more}>
          <Button busy={letters.isFetchingNextPage} onClick={() => void letters.fetchNextPage()}>
            Show 50 more
          </Button>
        </div>
      )}
    </>
  );
}

/** "2 jobs and 31 items are tried again; 1 could not be." */
export function tried(done: { failed_jobs: number; failed_items: number; refused: number }): string {
  const parts = [
    done.failed_jobs > 0 && counted(done.failed_jobs, "job"),
    done.failed_items > 0 && counted(done.failed_items, "item"),
  ].filter(Boolean);
  const refused = done.refused > 0 ? `${counted(done.refused, "job")} could not be tried again.` : "";
  if (parts.length === 0) return refused || "There was nothing left to try.";
  const verb = done.failed_jobs + done.failed_items === 1 ? "is" : "are";
  return [`${parts.join(" and ")} ${verb} tried again.`, refused].filter(Boolean).join(" ");
}

function Letter({ letter }: { letter: DeadLetter }) {
  const retry = useRetryOne();
  const name = letter.what === "item" ? (letter.label ?? letter.key) : letter.title || sentence(letter.kind);
  const reason = [letter.code && `${codeWords(letter.code)}.`, asSentence(letter.message)].filter(Boolean).join(" ");
  return (
    <tr>
      <td className={table.main}>
        <Link
          to={paths.job(letter.job_id, letter.what === "item" ? { tab: "items" } : {})}
          className={table.link}
          data-row=""
        >
          <Name>{name ?? ""}</Name>
        </Link>
        <span className={table.under} title={reason}>
          {reason}
        </span>
        {letter.what === "item" && <span className={table.under}>in {letter.title || sentence(letter.kind)}</span>}
      </td>
      <td>
        {letter.what === "job" ? (
          <Status tone="bad" icon="cross">
            Job failed
          </Status>
        ) : letter.state === "quarantined" ? (
          <Status tone="warn" icon="warning">
            Set aside
          </Status>
        ) : (
          <Status tone="bad" icon="cross">
            Item failed
          </Status>
        )}
      </td>
      <td className={table.number} data-word={letter.tries === 1 ? "try" : "tries"}>
        {count(letter.tries)}
      </td>
      <td className={`${table.number} ${table.dim}`}>
        <Ago at={letter.at} />
      </td>
      <td className={table.above}>
        <Button
          small
          busy={retry.isPending}
          aria-label={`Retry ${name}`}
          onClick={() =>
            retry.mutate(letter, {
              onSuccess: (job) => tell(`${name} is tried again.`, { href: paths.job(job.id), action: "Watch" }),
              onError: (error) => tell(problemLine(error), { tone: "bad" }),
            })
          }
        >
          Retry
        </Button>
      </td>
    </tr>
  );
}
