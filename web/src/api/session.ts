/** Who is logged in. The access token lives in memory only; the refresh cookie brings it back after a reload. */
import { useSyncExternalStore } from "react";
import type { Session, User } from "./types";

export type SessionState =
  | { status: "unknown" }
  | { status: "out"; reason?: "ended" }
  | { status: "in"; token: string; user: User; expiresAt: number };

const CSRF = { "X-Requested-With": "semantik" };
/** Refreshed this long before the end, so that a slow request does not arrive with a dead token. */
const MARGIN_MS = 20_000;

let state: SessionState = { status: "unknown" };
let refreshing: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

function set(next: SessionState) {
  state = next;
  for (const listener of listeners) listener();
}

export const session = {
  get: () => state,
  token: () => (state.status === "in" ? state.token : null),
  subscribe(listener: () => void) {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  },
  start(answer: Session) {
    set({
      status: "in",
      token: answer.access_token,
      user: answer.user,
      expiresAt: Date.now() + answer.expires_in * 1000,
    });
  },
  end(reason?: "ended") {
    set(reason ? { status: "out", reason } : { status: "out" });
  },
  isStale: () => state.status === "in" && Date.now() > state.expiresAt - MARGIN_MS,
  /** Only for tests: as after a reload. */
  forget() {
    refreshing = null;
    set({ status: "unknown" });
  },
};

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.get);
}

/**
 * Trades the cookie for a new access token; true when that worked. One flight at a time, also across tabs: the cookie
 * rotates, and an old one sent by a second tab would end the session.
 */
export function refresh(): Promise<boolean> {
  refreshing ??= acrossTabs(async () => {
    const response = await fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: CSRF,
      credentials: "same-origin",
    });
    if (response.ok) {
      session.start((await response.json()) as Session);
      return true;
    }
    // Only a clear "no" logs out; a server that is restarting (5xx) keeps what we have.
    if (response.status < 500 && response.status !== 429) session.end(state.status === "in" ? "ended" : undefined);
    return false;
  }).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function acrossTabs<T>(work: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return work();
  return (await navigator.locks.request("semantik.refresh", work)) as T;
}

export async function logout(): Promise<void> {
  try {
    await fetch("/api/v1/auth/logout", { method: "POST", headers: CSRF, credentials: "same-origin" });
  } finally {
    session.end();
  }
}
