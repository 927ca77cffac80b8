/** Sends files with progress. XMLHttpRequest, because fetch still cannot tell how much of a body has gone out. */
import { MARK } from "./client";
import { LOST, ProblemError, parseProblem } from "./problem";
import { refresh, session } from "./session";
import type { Uploaded } from "./types";

export type Sending = { name: string; path: string; file: File };

type Watch = { onProgress?: (loaded: number, total: number) => void; signal?: AbortSignal };

export async function upload(collection: string, files: readonly Sending[], watch: Watch): Promise<Uploaded> {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  // Paths only when a folder was dropped: they keep its structure.
  if (files.some(({ path, name }) => path !== name)) for (const { path } of files) body.append("path", path);
  return sendForm<Uploaded>(`/api/v1/collections/${encodeURIComponent(collection)}/uploads`, body, watch);
}

/** Posts a form with files in it; what comes back is what the caller says. */
export async function sendForm<Answer>(path: string, body: FormData, watch: Watch = {}): Promise<Answer> {
  if (session.isStale()) await refresh();
  try {
    return await send<Answer>(path, body, watch);
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 401 && (await refresh())) {
      return send<Answer>(path, body, watch);
    }
    throw error;
  }
}

function send<Answer>(path: string, body: FormData, { onProgress, signal }: Watch): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "text";
    const token = session.token();
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader(MARK.name, MARK.value);
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      let answer: unknown = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Not JSON: the status decides below.
      }
      if (request.status >= 200 && request.status < 300 && answer) resolve(answer as Answer);
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
