/** The typed client: every call of the app goes through here, with the token, the request mark and one retry after a refresh. */
import createClient from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import type { paths } from "./generated/schema";
import { ProblemError, parseProblem } from "./problem";
import { refresh, session } from "./session";

export const MARK = { name: "X-Requested-With", value: "semantik" } as const;

const OPEN = /\/api\/v1\/(auth\/|setup$)/;

function stamped(request: Request): Request {
  const token = session.token();
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  request.headers.set(MARK.name, MARK.value);
  return request;
}

/** fetch with a session: refreshes before an expired token is sent, and once more when the server says 401. */
export async function authorised(input: Request): Promise<Response> {
  if (OPEN.test(new URL(input.url).pathname)) return fetch(stamped(input));
  if (session.isStale()) await refresh();
  const again = input.clone();
  const response = await fetch(stamped(input));
  if (response.status !== 401 || session.get().status !== "in") return response;
  return (await refresh()) ? fetch(stamped(again)) : response;
}

async function checked(input: Request): Promise<Response> {
  const response = await authorised(input);
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  throw new ProblemError(parseProblem(body, response.status, response.headers.get("X-Request-ID")));
}

export const client = createClient<paths>({
  baseUrl: typeof location === "undefined" ? "http://localhost" : location.origin,
  fetch: checked,
});

export const api = createQueryClient(client);

/**
 * Put into the options of every paged query. A plain and a paged query of one path and the same parameters would share a
 * key, and each would find the other's shape in the cache; this default, said aloud, keeps the keys apart.
 */
export const PAGED = { parseAs: "json" } as const;

/** Saves a file that only the token may read. */
export async function download(path: string, name: string): Promise<void> {
  const response = await checked(new Request(new URL(path, location.origin)));
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads the blob after the click returned.
  setTimeout(() => URL.revokeObjectURL(url), 30_000);
}
