/** What went wrong, in one shape: an RFC 9457 problem of the API, a lost connection, or a bug of ours. */

import { asSentence } from "@/lib/format";

export type Problem = {
  code: string;
  status: number;
  title: string;
  detail: string | null;
  hint: string | null;
  requestId: string | null;
  /** Sentences by field name, of a 422. */
  fields: Record<string, string>;
  data: Record<string, unknown>;
};

type Json = Record<string, unknown>;

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

/** The server answered, but without what it promised; `detail` is a sentence for people. */
export const unanswered = (detail: string) => new ProblemError({ ...UNANSWERED, detail });

/** `loc` may be a list (["body", "name"]) or a JSON pointer ("#/name", "/body/name"). */
function fieldOf(entry: Json): string | null {
  const where = entry.loc ?? entry.pointer ?? entry.field ?? entry.location;
  const parts = Array.isArray(where) ? where.map(String) : typeof where === "string" ? where.split(/[/.#]+/) : [];
  const names = parts.filter((part) => part && part !== "body" && part !== "query");
  return names.length ? names.join(".") : null;
}

export function parseProblem(body: unknown, status: number, requestId: string | null = null): Problem {
  const json: Json = typeof body === "object" && body !== null ? (body as Json) : {};
  const fields: Record<string, string> = {};
  if (Array.isArray(json.errors)) {
    for (const entry of json.errors as Json[]) {
      const name = fieldOf(entry);
      const sentence = text(entry.detail) ?? text(entry.msg) ?? text(entry.message);
      if (name && sentence) fields[name] ??= sentence;
    }
  }
  return {
    code: text(json.code) ?? `http_${status}`,
    status: typeof json.status === "number" ? json.status : status,
    title: text(json.title) ?? (status >= 500 ? "The server could not answer" : "The request was refused"),
    detail: text(json.detail),
    hint: text(json.hint),
    requestId: text(json.request_id) ?? requestId,
    fields,
    data: json,
  };
}

export const LOST: Problem = {
  code: "unreachable",
  status: 0,
  title: "The server does not answer",
  detail: "The connection to the Semantik server is lost.",
  hint: "Check that it is running, then try again.",
  requestId: null,
  fields: {},
  data: {},
};

const UNANSWERED: Problem = {
  ...LOST,
  code: "unanswered",
  title: "The server did not answer as it should",
  hint: "Try again.",
};

/** What broke is for the console (see `createCache`): its message would tell a reader nothing. */
const BUG: Problem = {
  ...LOST,
  code: "bug",
  title: "The page made a mistake",
  detail: null,
  hint: "Reload it, then try again.",
};

/** Any thrown thing as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) return LOST;
  if (error instanceof Error) return BUG;
  const json = typeof error === "object" && error !== null ? (error as Json) : {};
  return parseProblem(error, typeof json.status === "number" ? json.status : 500);
}

/** The problem as one line: what happened and what to do. */
export function problemLine(error: unknown): string {
  const problem = problemOf(error);
  return [asSentence(problem.detail ?? problem.title), asSentence(problem.hint)].filter(Boolean).join(" ");
}

/** True for answers that trying again cannot change. */
export function isFinal(error: unknown): boolean {
  const { status } = problemOf(error);
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
