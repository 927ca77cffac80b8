/** Sends files with progress. XMLHttpRequest, because fetch still cannot tell how much of a body has gone out. */
import { MARK } from "./client";
import { LOST, ProblemError, parseProblem } from "./problem";
import { refresh, session } from "./session";
import type { Uploaded } from "./types";

export type Sending = { name: string; path: string; file: File };

export async function upload(
  collection: string,
  files: readonly Sending[],
  { onProgress, signal }: { onProgress: (loaded: number, total: number) => void; signal?: AbortSignal },
): Promise<Uploaded> {
  if (session.isStale()) await refresh();
  try {
    return await send(collection, files, onProgress, signal);
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 401 && (await refresh())) {
      return send(collection, files, onProgress, signal);
    }
    throw error;
  }
}

function send(
  collection: string,
  files: readonly Sending[],
  onProgress: (loaded: number, total: number) => void,
  signal?: AbortSignal,
): Promise<Uploaded> {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  // Paths only when a folder was dropped: they keep its structure.
  if (files.some(({ path, name }) => path !== name)) for (const { path } of files) body.append("path", path);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/collections/${encodeURIComponent(collection)}/uploads`);
    request.responseType = "text";
    const token = session.token();
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader(MARK.name, MARK.value);
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      let answer: unknown = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Not JSON: the status decides below.
      }
      if (request.status >= 200 && request.status < 300 && answer) resolve(answer as Uploaded);
      else
        reject(
          new ProblemError(parseProblem(answer, request.status || 500, request.getResponseHeader("X-Request-ID"))),
        );
    };
    request.onerror = () => reject(new ProblemError(LOST));
    request.onabort = () => reject(new DOMException("Upload stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}
