/** The files on their way: each its own row, each its own fate. */
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api } from "@/api/client";
import { refetch } from "@/api/query";
import { asSentence, bytes, count, counted } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button } from "@/ui/button";
import { Name } from "@/ui/name";
import { Progress } from "@/ui/progress";
import { DocumentState, Status } from "@/ui/status";
import styles from "./collections.module.css";
import { clearUploads, retryUpload, type UploadRow, useUploads } from "./uploads";

/** So many rows ask for their document at a time; the next ones ask when these are decided. */
const ASKING = 12;
const SHOWN = 200;

export function UploadList({ collection }: { collection: string }) {
  const rows = useUploads(collection);
  if (rows.length === 0) return null;
  const moving = rows.filter((row) => row.stage === "waiting" || row.stage === "sending").length;
  const refused = rows.filter((row) => row.stage === "rejected" || row.stage === "failed").length;
  const taken = [counted(rows.length - refused, "file"), "uploaded"].join(" ");
  let asking = 0;
  return (
    <section className={styles.uploads} aria-label="Uploads">
      <div className={styles.uploadsHead}>
        <h2>
          {moving > 0
            ? `Uploading ${counted(moving, "file")}`
            : refused > 0
              ? `${taken}, ${count(refused)} not`
              : taken}
        </h2>
        {moving === 0 && (
          <Button look="quiet" small onClick={() => clearUploads(collection)}>
            Clear list
          </Button>
        )}
      </div>
      <ul className={styles.uploadRows}>
        {rows.slice(-SHOWN).map((row) => {
          const asks = row.stage === "accepted" && asking++ < ASKING;
          return <UploadLine key={row.id} row={row} asks={asks} />;
        })}
      </ul>
    </section>
  );
}

function UploadLine({ row, asks }: { row: UploadRow; asks: boolean }) {
  const cache = useQueryClient();
  const refresh = () => refetch(cache, "/api/v1/collections/{collection_id}", "/api/v1/documents");
  return (
    <li className={styles.uploadRow}>
      <span className={styles.uploadName} title={row.path}>
        <Name>{row.path}</Name>
      </span>
      <span className={styles.uploadSize}>{bytes(row.size)}</span>
      <span className={styles.uploadFate}>
        {row.stage === "waiting" && (
          <Status tone="idle" icon="clock">
            Waiting
          </Status>
        )}
        {row.stage === "sending" && <Progress value={row.share * 100} label={`Sending ${row.path}`} />}
        {row.stage === "accepted" && <Fate row={row} asks={asks} />}
        {(row.stage === "rejected" || row.stage === "failed") && (
          <Status tone="bad" icon="cross">
            {row.stage === "rejected" ? "Refused" : "Not sent"}
          </Status>
        )}
      </span>
      {row.reason && (
        <p className={styles.uploadReason}>
          {asSentence(row.reason)} {asSentence(row.hint)}
          {row.stage === "failed" && row.file && (
            <Button small icon="retry" onClick={() => retryUpload(row, refresh)}>
              Send again
            </Button>
          )}
        </p>
      )}
    </li>
  );
}

/** What became of an accepted file: the state of its document. */
function Fate({ row, asks }: { row: UploadRow; asks: boolean }) {
  const path = row.documentPath ?? row.path;
  const found = api.useQuery(
    "get",
    "/api/v1/documents",
    { params: { query: { source: row.source, q: path.split("/").at(-1), limit: 50 } } },
    {
      enabled: asks && row.source !== null,
      refetchInterval: ({ state }) => {
        const document = state.data?.items.find((item) => item.path === path);
        return document && document.state !== "pending" ? false : 2_000;
      },
    },
  );
  const document = found.data?.items.find((item) => item.path === path);
  if (!document || document.state === "pending")
    return (
      <Status tone="idle" icon="clock">
        Being indexed
      </Status>
    );
  return (
    <Link to={paths.document(document.id)} title={document.reason ?? undefined}>
      <DocumentState state={document.state} />
    </Link>
  );
}
