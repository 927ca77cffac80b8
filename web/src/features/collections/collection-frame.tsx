/** A collection: its ledger, its tabs, and the whole page as a place to drop files. */
import { useQueryClient } from "@tanstack/react-query";
import { type DragEvent, useRef, useState } from "react";
import { Link, NavLink, Outlet, useParams } from "react-router";
import { problemOf } from "@/api/problem";
import { refetch } from "@/api/query";
import { carriesFiles, fromDrop, fromInput, type Picked } from "@/lib/dropped";
import { count } from "@/lib/format";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Icon } from "@/ui/icon";
import { LedgerBar, LedgerSum } from "@/ui/ledger";
import { ProblemNotice } from "@/ui/notice";
import { Page } from "@/ui/page";
import { Skeleton, SkeletonRows } from "@/ui/skeleton";
import { Tabs, tabClass, tabCountClass } from "@/ui/tabs";
import styles from "./collections.module.css";
import { UploadList } from "./upload-list";
import { startUploads } from "./uploads";
import { useCollectionLive } from "./use-collections";

export function CollectionFrame() {
  const { collection: id = "" } = useParams();
  const query = useCollectionLive(id);
  const cache = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const depth = useRef(0);
  const [over, setOver] = useState(false);
  const collection = query.data;

  const send = (picked: Picked[]) => {
    if (picked.length > 0)
      startUploads(id, picked, () =>
        refetch(
          cache,
          "/api/v1/collections/{collection_id}",
          "/api/v1/collections/{collection_id}/sources",
          "/api/v1/documents",
          "/api/v1/jobs",
        ),
      );
  };
  // Enter and leave fire for every child; the depth says whether the pointer left the page.
  const drag = {
    onDragEnter: (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current += 1;
      setOver(true);
    },
    onDragOver: (event: DragEvent) => {
      if (carriesFiles(event)) event.preventDefault();
    },
    onDragLeave: (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      depth.current = Math.max(0, depth.current - 1);
      if (depth.current === 0) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      void fromDrop(event.dataTransfer).then(send);
    },
  };

  if (query.isError && !collection)
    return (
      <Page title="Collection">
        <ProblemNotice
          problem={problemOf(query.error)}
          actions={
            <Link to={paths.collections()} className={buttonClass()}>
              All collections
            </Link>
          }
        />
      </Page>
    );

  const troubled = collection ? collection.ledger.failed + collection.ledger.partial + collection.ledger.skipped : 0;
  return (
    <div className={styles.zone} {...drag}>
      <Page
        title={collection?.name ?? "Collection"}
        heading={collection ? collection.name : <Skeleton width="180px" label="Collection" />}
        lead={collection?.description || undefined}
        actions={
          <>
            <Link to={paths.newSource(id)} className={buttonClass()}>
              <Icon name="plus" />
              Add source
            </Link>
            <Button look="primary" icon="upload" onClick={() => input.current?.click()}>
              Upload
            </Button>
            <input
              ref={input}
              type="file"
              multiple
              hidden
              aria-label="Files to upload"
              onChange={(event) => {
                if (event.target.files) send(fromInput(event.target.files));
                event.target.value = "";
              }}
            />
          </>
        }
      >
        <div className={styles.ledger}>
          {collection ? (
            <>
              <LedgerSum
                ledger={collection.ledger}
                link={(state, content, className) => (
                  <Link
                    to={paths.collectionDocuments(id, { state })}
                    className={className}
                    title={state ? `Show the ${state} documents` : "Show all documents"}
                  >
                    {content}
                  </Link>
                )}
              />
              <LedgerBar ledger={collection.ledger} />
            </>
          ) : (
            <Skeleton height="44px" />
          )}
        </div>
        <UploadList collection={id} />
        <Tabs label="Collection">
          <NavLink end to={paths.collection(id)} className={tabClass}>
            Documents
          </NavLink>
          <NavLink to={paths.collectionSources(id)} className={tabClass}>
            Sources
          </NavLink>
          <NavLink to={paths.collectionFailures(id)} className={tabClass}>
            Not fully indexed
            {troubled > 0 && <span className={tabCountClass}>{count(troubled)}</span>}
          </NavLink>
          <NavLink to={paths.collectionSettings(id)} className={tabClass}>
            Settings
          </NavLink>
        </Tabs>
        {collection ? <Outlet context={{ collection }} /> : <SkeletonRows />}
      </Page>
      {over && (
        <div className={styles.drop} aria-hidden="true">
          <p>
            <Icon name="upload" size={20} />
            Drop to add to {collection?.name ?? "this collection"}
          </p>
        </div>
      )}
    </div>
  );
}
