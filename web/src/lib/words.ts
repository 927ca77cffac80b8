/** The words for states, kinds and codes: one place, so that every page says the same. */

export const DOCUMENT_STATES = ["indexed", "partial", "skipped", "failed", "pending"] as const;
export type DocumentState = (typeof DOCUMENT_STATES)[number];

export type Tone = "ok" | "warn" | "bad" | "idle" | "accent";
export type StateIcon = "check" | "half" | "minus" | "cross" | "clock" | "play" | "pause" | "stop" | "warning" | "lock";

type Look = { word: string; tone: Tone; icon: StateIcon };

const DOCUMENT_LOOKS: Record<string, Look> = {
  indexed: { word: "Indexed", tone: "ok", icon: "check" },
  partial: { word: "Partial", tone: "warn", icon: "half" },
  skipped: { word: "Skipped", tone: "idle", icon: "minus" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  pending: { word: "Pending", tone: "idle", icon: "clock" },
};

const JOB_LOOKS: Record<string, Look> = {
  blocked: { word: "Blocked", tone: "idle", icon: "lock" },
  waiting: { word: "Waiting", tone: "idle", icon: "clock" },
  scheduled: { word: "Scheduled", tone: "idle", icon: "clock" },
  queued: { word: "Queued", tone: "idle", icon: "clock" },
  retrying: { word: "Retrying", tone: "warn", icon: "clock" },
  running: { word: "Running", tone: "accent", icon: "play" },
  pausing: { word: "Pausing", tone: "idle", icon: "pause" },
  paused: { word: "Paused", tone: "idle", icon: "pause" },
  cancelling: { word: "Cancelling", tone: "idle", icon: "stop" },
  cancelled: { word: "Cancelled", tone: "idle", icon: "stop" },
  completed: { word: "Completed", tone: "ok", icon: "check" },
  partial: { word: "Completed in part", tone: "warn", icon: "half" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  skipped: { word: "Skipped", tone: "idle", icon: "minus" },
  interrupted: { word: "Interrupted", tone: "warn", icon: "warning" },
  stalled: { word: "Stalled", tone: "warn", icon: "warning" },
};

export function sentence(word: string): string {
  const spaced = word.replaceAll("_", " ").replaceAll("-", " ").trim();
  return spaced ? spaced.charAt(0).toUpperCase() + spaced.slice(1) : spaced;
}

export function documentLook(state: string): Look {
  return DOCUMENT_LOOKS[state] ?? { word: sentence(state), tone: "idle", icon: "clock" };
}

export function jobLook(status: string, outcome?: string | null): Look {
  if (status === "completed" && outcome === "partial") return { word: "Completed in part", tone: "warn", icon: "half" };
  return JOB_LOOKS[status] ?? { word: sentence(status), tone: "idle", icon: "clock" };
}

const ACTIVE = new Set(["running", "pausing", "cancelling"]);
const ENDED = new Set(["completed", "failed", "cancelled", "skipped"]);
export const isActive = (status: string) => ACTIVE.has(status);
export const isEnded = (status: string) => ENDED.has(status);

const CODES: Record<string, string> = {
  empty_file: "Empty file",
  lfs_pointer: "Placeholder instead of the file",
  executable: "Program, not a document",
  unknown_type: "Unknown kind of file",
  unsupported_type: "Kind of file that cannot be read",
  no_text: "No text inside",
  needs_ocr: "Needs text recognition",
  needs_password: "Needs a password",
  wrong_password: "Wrong password",
  damaged: "Damaged",
  truncated: "Cut off",
  too_large: "Too large",
  archive_bomb: "Archive that unpacks without end",
  archive_too_deep: "Archive nested too deep",
  archive_too_many: "Archive with too many members",
  unsafe_member: "Archive member with an unsafe path",
  image_too_large: "Image too large",
  entity_refused: "Outside entity refused",
  timeout: "Took too long",
  memory_limit: "Needed too much memory",
  output_limit: "Too much text",
  crashed: "Reader crashed",
  encrypted_body: "Encrypted mail",
  nesting_limit: "Nested too deep",
  pages_failed: "Some pages failed",
  unreadable: "Could not be opened",
  gone: "No longer there",
  link_outside: "Link that leads out of the folder",
  not_a_file: "Not a file",
};

export function codeWords(code: string | null | undefined): string {
  if (!code) return "No code";
  return CODES[code] ?? sentence(code);
}

const VERBS: Record<string, string> = {
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel",
  restart: "Restart",
  retry: "Retry",
  "retry-failed": "Retry failed items",
  priority: "Change priority",
  delete: "Delete",
};
export const verbWord = (verb: string) => VERBS[verb] ?? sentence(verb);

/** 0 goes first, 9 last, 5 is what a job has when nobody says otherwise. */
export const PRIORITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
export function priorityWord(value: number): string {
  const words: Record<number, string> = { 0: "0, first", 5: "5, as usual", 9: "9, last" };
  return words[value] ?? String(value);
}

const ENDINGS: Record<string, string> = {
  completed: "completed",
  released: "handed over",
  lost: "lease lost",
  error: "error",
  control: "stopped on request",
};
export const endingWords = (how: string | null) =>
  how ? (ENDINGS[how] ?? sentence(how).toLowerCase()) : "still running";
