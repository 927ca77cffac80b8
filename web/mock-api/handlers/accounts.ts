/** Set-up, sessions, the account, API keys, and what runs here. */
import { type HttpHandler, HttpResponse, http } from "msw";
import type { components } from "../../src/api/generated/schema";
import { type Db, minutesAgo, newId, now } from "../db.ts";
import { guard, missing, page, problem, V1 } from "./answers.ts";

type S = components["schemas"];

function sessionOut(db: Db): S["Session"] {
  return { access_token: `mock.${db.user.id}`, token_type: "bearer", expires_in: 900, user: db.user };
}

export function accounts(db: Db): HttpHandler[] {
  const guarded = guard(db);
  return [
    http.get(`${V1}/setup`, () => HttpResponse.json({ needed: db.setupNeeded })),
    http.post(`${V1}/setup`, async ({ request }) => {
      const body = (await request.json()) as S["SetUp"];
      if (!db.setupNeeded) return problem(409, "already_set_up", "This server has its first account already.");
      if (body.token !== "mock-token")
        return problem(422, "wrong_token", "This set-up token is not the server's.", {
          hint: "Copy it from the server's first output.",
        });
      db.setupNeeded = false;
      db.signedIn = true;
      db.user = { ...db.user, email: body.email, name: body.name ?? "" };
      return HttpResponse.json(sessionOut(db), { status: 201 });
    }),
    http.post(`${V1}/auth/login`, async ({ request }) => {
      const body = (await request.json()) as S["Login"];
      if (body.password !== db.password)
        return problem(401, "wrong_password", "E-mail and password do not belong together.");
      db.signedIn = true;
      return HttpResponse.json(sessionOut(db));
    }),
    http.post(`${V1}/auth/refresh`, () =>
      db.signedIn ? HttpResponse.json(sessionOut(db)) : problem(401, "unauthenticated", "There is no session."),
    ),
    http.post(`${V1}/auth/logout`, () => {
      db.signedIn = false;
      return new HttpResponse(null, { status: 204 });
    }),
    http.get(
      `${V1}/me`,
      guarded(() => HttpResponse.json({ user: db.user, scope: "admin", via: "session" })),
    ),
    http.post(
      `${V1}/me/password`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["PasswordChange"];
        if (body.current !== db.password)
          return problem(422, "wrong_password", "The current password is not right.", {
            errors: [{ pointer: "/current", message: "This is not your current password." }],
          });
        db.password = body.new;
        return new HttpResponse(null, { status: 204 });
      }),
    ),
    http.get(
      `${V1}/version`,
      guarded(() => HttpResponse.json({ version: "0.1.0", commit: "4f1c09ab7e21", mode: "embedded" })),
    ),
    http.get(
      `${V1}/models`,
      guarded(() => HttpResponse.json({ items: db.models })),
    ),
    http.get(
      `${V1}/api-keys`,
      guarded(({ query }) => HttpResponse.json(page(db.keys, query))),
    ),
    http.post(
      `${V1}/api-keys`,
      guarded(async ({ request }) => {
        const body = (await request.json()) as S["NewApiKey"];
        const key: S["ApiKey"] = {
          id: newId(),
          name: body.name,
          prefix: "sk_h2Vw",
          scope: body.scope,
          created_at: now(),
          expires_at: body.expires_in_days ? minutesAgo(-1440 * body.expires_in_days) : null,
          revoked_at: null,
          used_at: null,
        };
        db.keys.unshift(key);
        return HttpResponse.json({ ...key, key: "sk_h2VwK4mJ8sYp3TzQ7nRb5cXd" }, { status: 201 });
      }),
    ),
    http.delete(
      `${V1}/api-keys/:id`,
      guarded(({ params }) => {
        const key = db.keys.find((k) => k.id === params.id);
        if (!key) return missing("key");
        key.revoked_at = now();
        return new HttpResponse(null, { status: 204 });
      }),
    ),
  ];
}
