/** All collections. */
import { useRef } from "react";
import { Link, useSearchParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Icon } from "@/ui/icon";
import { LedgerBar, ledgerWords } from "@/ui/ledger";
import { Empty, ProblemNotice } from "@/ui/notice";
import { Page } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import { useListKeys } from "@/ui/use-list-keys";
import styles from "./collections.module.css";
import { useCollections, useImportCollection } from "./use-collections";

export function CollectionsPage() {
  const [params] = useSearchParams();
  const list = useCollections(params.get("q") ?? "");
  const rows = useRef<HTMLTableSectionElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const bring = useImportCollection();
  useListKeys(rows);
  const collections = list.data?.pages.flatMap((page) => page.items) ?? [];

  return (
    <Page
      title="Collections"
      actions={
        <>
          <Button icon="upload" busy={bring.isPending} onClick={() => input.current?.click()}>
            Import
          </Button>
          <input
            ref={input}
            type="file"
            hidden
            aria-label="Bundle to import"
            onChange={(event) => {
              const file = event.target.files?.[0];
              event.target.value = "";
              if (!file) return;
              bring.mutate(file, {
                onSuccess: ({ job_id }) =>
                  tell("The collection is listed once all of it is here.", {
                    href: paths.job(job_id),
                    action: "Watch",
                  }),
                onError: (error) => tell(problemLine(error), { tone: "bad" }),
              });
            }}
          />
          <Link to={paths.newCollection()} className={buttonClass(collections.length ? "plain" : "primary")}>
            <Icon name="plus" />
            Create collection
          </Link>
        </>
      }
    >
      {list.isError && (
        <ProblemNotice
          problem={problemOf(list.error)}
          actions={
            <Button small icon="retry" onClick={() => void list.refetch()}>
              Try again
            </Button>
          }
        />
      )}
      {list.isPending && <SkeletonRows rows={5} height={58} />}
      {list.data && collections.length === 0 && (
        <Empty>
          A collection holds documents that are searched together: a project, a mailbox, a shelf. Create the first one,
          then drop files on it.
        </Empty>
      )}
      {collections.length > 0 && (
        <table className={table.table}>
          <thead>
            <tr>
              <th>Name</th>
              <th>Indexed</th>
              <th className={table.number}>Documents</th>
              <th className={table.number}>Passages</th>
              <th className={table.number}>Created</th>
            </tr>
          </thead>
          <tbody ref={rows}>
            {collections.map((collection) => (
              <tr key={collection.id}>
                <td className={table.main}>
                  <Link to={paths.collection(collection.id)} className={table.link} data-row="">
                    {collection.name}
                  </Link>
                  {collection.description && <span className={table.under}>{collection.description}</span>}
                </td>
                <td className={`${table.wide} ${styles.shareCell}`}>
                  <LedgerBar ledger={collection.ledger} thin />
                  <span className="hidden">{ledgerWords(collection.ledger)}</span>
                </td>
                <td className={table.number}>
                  {count(collection.ledger.listed)}
                  <span className={styles.unit}> {collection.ledger.listed === 1 ? "document" : "documents"}</span>
                </td>
                <td className={`${table.number} ${table.wide}`}>{count(collection.chunks)}</td>
                <td className={`${table.number} ${table.dim} ${table.wide}`}>
                  <Ago at={collection.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <div className={table.more}>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </Page>
  );
}
