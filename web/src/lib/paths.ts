/** Every URL of the app, typed. A link that is not made here is a link nobody can find when it moves. */

type Query = Record<string, string | number | readonly string[] | null | undefined>;

export function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    if (typeof value === "object") {
      if (value.length) search.set(key, value.join(","));
    } else search.set(key, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/** The same query with one more parameter, or without it when there is no value. */
export function withParam(query: URLSearchParams, name: string, value: string | null): URLSearchParams {
  const next = new URLSearchParams(query);
  if (value) next.set(name, value);
  else next.delete(name);
  return next;
}

const id = encodeURIComponent;

export type DocumentFilter = {
  state?: readonly string[] | string | null;
  code?: string | null;
  source?: string | null;
  parent?: string | null;
  media?: string | null;
  language?: string | null;
  q?: string | null;
};

export const paths = {
  home: () => "/search",
  setup: () => "/setup",
  login: (next?: string) => withQuery("/login", { next: next && next !== "/" ? next : null }),
  search: (query: { q?: string; in?: readonly string[] } = {}) => withQuery("/search", query),
  collections: () => "/collections",
  newCollection: () => "/collections/new",
  collection: (collection: string) => `/collections/${id(collection)}`,
  collectionDocuments: (collection: string, filter: DocumentFilter = {}) =>
    withQuery(`/collections/${id(collection)}`, filter),
  collectionSources: (collection: string) => `/collections/${id(collection)}/sources`,
  newSource: (collection: string) => `/collections/${id(collection)}/sources/new`,
  sourcePlan: (collection: string, source: string) => `/collections/${id(collection)}/sources/${id(source)}/plan`,
  sourceSettings: (collection: string, source: string) => `/collections/${id(collection)}/sources/${id(source)}`,
  collectionFailures: (collection: string) => `/collections/${id(collection)}/failures`,
  collectionSettings: (collection: string) => `/collections/${id(collection)}/settings`,
  document: (document: string, at: { chunk?: string | null; marks?: string | null; from?: string | null } = {}) =>
    withQuery(`/documents/${id(document)}`, at),
  jobs: (filter: { status?: string | null; kind?: string | null; collection?: string | null } = {}) =>
    withQuery("/jobs", filter),
  job: (job: string, at: { tab?: string | null; level?: string | null } = {}) => withQuery(`/jobs/${id(job)}`, at),
  deadLetters: (
    filter: { what?: string | null; code?: string | null; kind?: string | null; collection?: string | null } = {},
  ) => withQuery("/jobs/dead-letters", filter),
  schedules: () => "/jobs/schedules",
  newSchedule: () => "/jobs/schedules/new",
  schedule: (schedule: string) => `/jobs/schedules/${id(schedule)}`,
  queues: () => "/jobs/queues",
  workers: () => "/jobs/workers",
  settings: () => "/settings",
  settingsKeys: () => "/settings/keys",
  settingsAbout: () => "/settings/about",
};

/** Only a path of our own may follow a log in: never another site's address. */
export function safeNext(next: string | null): string {
  return next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") ? next : paths.home();
}
