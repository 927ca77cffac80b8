/** Where the documents of a collection come from. */
import { Link, useParams } from "react-router";
import { problemLine, problemOf } from "@/api/problem";
import type { Source } from "@/api/types";
import { counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { sentence } from "@/lib/words";
import { Button, buttonClass } from "@/ui/button";
import { Icon } from "@/ui/icon";
import { LedgerBar, LedgerSum } from "@/ui/ledger";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { SkeletonRows } from "@/ui/skeleton";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./sources.module.css";
import { type DirectorySettings, useSources, useSync } from "./use-sources";

export function SourcesTab() {
  const { collection = "" } = useParams();
  const sources = useSources(collection);
  if (sources.isError) return <ProblemNotice problem={problemOf(sources.error)} />;
  if (!sources.data) return <SkeletonRows rows={3} height={92} />;
  if (sources.data.items.length === 0)
    return (
      <Empty
        action={
          <Link to={paths.newSource(collection)} className={buttonClass()}>
            <Icon name="plus" />
            Add source
          </Link>
        }
      >
        A source is a place that is read again when it changes, such as a folder. Files can also be dropped anywhere on
        this page.
      </Empty>
    );
  return (
    <ul>
      {sources.data.items.map((source) => (
        <SourceRow key={source.id} source={source} collection={collection} />
      ))}
    </ul>
  );
}

function SourceRow({ source, collection }: { source: Source; collection: string }) {
  const sync = useSync();
  const settings = source.settings as DirectorySettings;
  const upload = source.kind === "upload";
  return (
    <li className={styles.source}>
      <div className={styles.head}>
        <div className={styles.words}>
          <h2>
            <Icon name={upload ? "upload" : "folder"} /> {source.name}
          </h2>
          <p className={styles.dim}>
            {settings.path ? <code>{settings.path}</code> : upload ? "Files uploaded here" : sentence(source.kind)}
            {" · "}
            {source.synced_at ? (
              <>
                {upload ? "last upload" : "last sync"} <Ago at={source.synced_at} />
              </>
            ) : (
              "not synced yet"
            )}
            {source.last_job_id && (
              <>
                {" · "}
                <Link to={paths.job(source.last_job_id)}>last job</Link>
              </>
            )}
          </p>
        </div>
        <div className={styles.actions}>
          {!upload && (
            <>
              <Link to={paths.sourcePlan(collection, source.id)} className={buttonClass("plain", true)}>
                Preview sync
              </Link>
              <Button
                small
                icon="retry"
                busy={sync.isPending}
                onClick={() =>
                  sync.mutate(
                    { source: source.id },
                    {
                      onSuccess: (job) => tell("Sync started.", { href: paths.job(job.job_id), action: "Watch" }),
                      onError: (error) => tell(problemLine(error), { tone: "bad" }),
                    },
                  )
                }
              >
                Sync now
              </Button>
            </>
          )}
          <Link to={paths.sourceSettings(collection, source.id)} className={buttonClass("quiet", true)}>
            Settings
          </Link>
        </div>
      </div>
      <LedgerSum
        ledger={source.ledger}
        brief
        link={(state, content, className) => (
          <Link to={paths.collectionDocuments(collection, { state, source: source.id })} className={className}>
            {content}
          </Link>
        )}
      />
      <LedgerBar ledger={source.ledger} thin />
      {source.held_deletions !== null && (
        <Notice
          tone="warn"
          icon="warning"
          actions={
            <Link to={paths.sourcePlan(collection, source.id)} className={buttonClass("plain", true)}>
              Decide
            </Link>
          }
        >
          {counted(source.held_deletions, "document")} can no longer be found here, and the last sync kept them.
        </Notice>
      )}
    </li>
  );
}
