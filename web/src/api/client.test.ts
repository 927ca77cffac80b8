import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { world } from "@/test/app";
import { server } from "@/test/server";
import { client } from "./client";
import { isFinal, LOST, ProblemError, parseProblem, problemLine, problemOf, unanswered } from "./problem";
import { refresh, session } from "./session";
import type { Session } from "./types";

const answer = (token: string, expires_in = 900): Session => ({
  access_token: token,
  token_type: "bearer",
  expires_in,
  user: { id: "u", email: "ada@example.org", name: "Ada", role: "admin", tenant_id: "t" },
});

describe("the session", () => {
  beforeEach(() => session.forget());

  it("asks for one new token however many requests found the old one dead", async () => {
    let refreshed = 0;
    const seen: (string | null)[] = [];
    server.use(
      http.post("*/api/v1/auth/refresh", ({ request }) => {
        refreshed += 1;
        expect(request.headers.get("X-Requested-With")).toBe("semantik");
        return HttpResponse.json(answer("new"));
      }),
      http.get("*/api/v1/version", ({ request }) => {
        seen.push(request.headers.get("Authorization"));
        return request.headers.get("Authorization") === "Bearer new"
          ? HttpResponse.json({ version: "1", commit: null, mode: "embedded" })
          : HttpResponse.json({ status: 401, code: "unauthenticated", title: "Log in first" }, { status: 401 });
      }),
    );
    session.start(answer("old"));
    const all = await Promise.all([1, 2, 3].map(() => client.GET("/api/v1/version")));
    expect(all.every(({ data }) => data?.version === "1")).toBe(true);
    expect(refreshed).toBe(1);
    expect(seen.filter((value) => value === "Bearer new")).toHaveLength(3);
  });

  it("refreshes before it sends a token that has run out", async () => {
    server.use(
      http.post("*/api/v1/auth/refresh", () => HttpResponse.json(answer("new"))),
      http.get("*/api/v1/version", ({ request }) =>
        HttpResponse.json({ version: String(request.headers.get("Authorization")), commit: null, mode: "embedded" }),
      ),
    );
    session.start(answer("old", 1));
    const { data } = await client.GET("/api/v1/version");
    expect(data?.version).toBe("Bearer new");
  });

  it("ends on a clear no, and survives a server that restarts", async () => {
    session.start(answer("old"));
    server.use(http.post("*/api/v1/auth/refresh", () => new HttpResponse(null, { status: 503 })));
    expect(await refresh()).toBe(false);
    expect(session.get().status).toBe("in");
    server.use(http.post("*/api/v1/auth/refresh", () => HttpResponse.json({ status: 401 }, { status: 401 })));
    expect(await refresh()).toBe(false);
    expect(session.get()).toEqual({ status: "out", reason: "ended" });
  });
});

describe("problems", () => {
  it("come as errors with their words, field by field", async () => {
    const db = world();
    session.start(answer("x"));
    const created = client.POST("/api/v1/collections/{collection_id}/sources", {
      params: { path: { collection_id: db.collections[0]?.id ?? "" } },
      body: { kind: "directory", settings: { path: "/etc", include: [] }, check_every_s: 300, sync: false },
    });
    const error = await created.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    const problem = problemOf(error);
    expect(problem.status).toBe(422);
    expect(problem.fields["settings.path"]).toContain("/etc");
    expect(problemLine(error)).toContain("SEMANTIK_SOURCE_ROOTS");
    expect(isFinal(error)).toBe(true);
  });

  it("read pointers and locations alike", () => {
    const fields = (errors: unknown[]) => parseProblem({ errors }, 422).fields;
    expect(fields([{ pointer: "#/body/chunking/max_tokens", message: "too small" }])).toEqual({
      "chunking.max_tokens": "too small",
    });
    expect(fields([{ loc: ["body", "name"], msg: "missing" }])).toEqual({ name: "missing" });
  });

  it("have words for a lost server and for a bug", () => {
    expect(problemOf(new TypeError("Failed to fetch"))).toBe(LOST);
    expect(problemLine(new Error("x is not a function"))).toBe("The page made a mistake. Reload it, then try again.");
    expect(problemLine(unanswered("The server did not name the job"))).toBe(
      "The server did not name the job. Try again.",
    );
    expect(isFinal(new TypeError("Failed to fetch"))).toBe(false);
    expect(parseProblem(null, 502, "r-1")).toMatchObject({ code: "http_502", requestId: "r-1" });
  });
});
