/**
 * The uploads of this tab. They live outside the page, so that walking to another tab or page does not stop them.
 *
 *   waiting -> sending -> accepted -> (the document's own state) | rejected | failed
 */
import { useSyncExternalStore } from "react";
import { problemOf } from "@/api/problem";
import { upload } from "@/api/upload";
import { batches, shares } from "@/lib/batches";
import type { Picked } from "@/lib/dropped";

export type UploadRow = {
  id: number;
  collection: string;
  path: string;
  size: number;
  stage: "waiting" | "sending" | "accepted" | "rejected" | "failed";
  /** 0..1 while sending */
  share: number;
  source: string | null;
  job: string | null;
  documentPath: string | null;
  reason: string | null;
  hint: string | null;
  file: File | null;
};

let rows: readonly UploadRow[] = [];
let nextId = 1;
let running = false;
const queue: UploadRow[][] = [];
const listeners = new Set<() => void>();

function set(next: readonly UploadRow[]) {
  rows = next;
  for (const listener of listeners) listener();
}

function change(id: number, patch: Partial<UploadRow>) {
  set(rows.map((row) => (row.id === id ? { ...row, ...patch } : row)));
}

export function useUploads(collection: string): readonly UploadRow[] {
  const all = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => rows,
  );
  return all.filter((row) => row.collection === collection);
}

export function clearUploads(collection: string) {
  set(rows.filter((row) => row.collection !== collection || row.stage === "waiting" || row.stage === "sending"));
}

export function startUploads(collection: string, picked: readonly Picked[], onAccepted: () => void) {
  const fresh = picked.map<UploadRow>(({ file, path }) => ({
    id: nextId++,
    collection,
    path,
    size: file.size,
    stage: "waiting",
    share: 0,
    source: null,
    job: null,
    documentPath: null,
    reason: null,
    hint: null,
    file,
  }));
  set([...rows, ...fresh]);
  queue.push(...batches(fresh));
  void run(onAccepted);
}

export function retryUpload(row: UploadRow, onAccepted: () => void) {
  if (!row.file) return;
  change(row.id, { stage: "waiting", share: 0, reason: null, hint: null });
  queue.push([row]);
  void run(onAccepted);
}

/** One request at a time: the disk of the server is the narrow place, and progress stays readable. */
async function run(onAccepted: () => void) {
  if (running) return;
  running = true;
  try {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      await send(batch);
      onAccepted();
    }
  } finally {
    running = false;
  }
}

async function send(batch: readonly UploadRow[]) {
  const files = batch.flatMap((row) => (row.file ? [{ name: row.file.name, path: row.path, file: row.file }] : []));
  const collection = batch[0]?.collection;
  if (!collection) return;
  for (const row of batch) change(row.id, { stage: "sending" });
  try {
    const answer = await upload(collection, files, {
      onProgress: (loaded, total) => {
        const done = shares(
          batch.map((row) => row.size),
          loaded,
          total,
        );
        batch.forEach((row, i) => {
          change(row.id, { share: done[i] ?? 0 });
        });
      },
    });
    batch.forEach((row, i) => {
      const fate = answer.files[i];
      if (fate?.state === "accepted") {
        change(row.id, {
          stage: "accepted",
          share: 1,
          source: answer.source_id,
          job: answer.job_id,
          documentPath: fate.document_path,
          file: null,
        });
      } else {
        change(row.id, {
          stage: "rejected",
          reason: fate?.reason ?? "The server did not say what became of this file.",
          hint: fate?.hint ?? null,
        });
      }
    });
  } catch (error) {
    const problem = problemOf(error);
    for (const row of batch)
      change(row.id, { stage: "failed", reason: problem.detail ?? problem.title, hint: problem.hint });
  }
}
