/** How a rhythm reads. Pure. */
import { duration } from "@/lib/format";

/** "every 5 min", "0 3 * * * · Europe/Berlin". */
export function rhythm({
  cron,
  every_s,
  timezone,
}: {
  cron: string | null;
  every_s: number | null;
  timezone: string;
}): string {
  if (every_s === 3600) return "every hour";
  if (every_s !== null) return `every ${duration(every_s)}`;
  const plain = daily(cron ?? "");
  return plain ? `${plain} · ${timezone}` : `${cron} · ${timezone}`;
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** The common ones in words: "daily at 03:00", "Mondays at 06:30", "every hour at :15"; null for all others. */
export function daily(cron: string): string | null {
  const found = /^(\d{1,2}) (\d{1,2}|\*) \* \* (\*|[0-7])$/.exec(cron.trim().replace(/\s+/g, " "));
  if (!found) return null;
  const [, minute = "", hour = "", day = ""] = found;
  const two = (text: string) => text.padStart(2, "0");
  if (hour === "*") return day === "*" ? `every hour at :${two(minute)}` : null;
  const at = `at ${two(hour)}:${two(minute)}`;
  return day === "*" ? `daily ${at}` : `${DAYS[Number(day) % 7]}s ${at}`;
}

/** A moment in the schedule's own time zone: "Thu 27 Nov 03:00". */
export function moment(iso: string, timeZone: string): string {
  const options: Intl.DateTimeFormatOptions = {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  };
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone }).format(new Date(iso)).replace(",", "");
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }).format(new Date(iso)).replace(",", "");
  }
}

export const OVERLAPS = {
  skip: "Leave this time out",
  buffer_one: "Start when the last run has ended",
  cancel_previous: "Cancel the last run and start",
  allow: "Start beside it",
} as const;
export type Overlap = keyof typeof OVERLAPS;

type Property = { type?: string; title?: string; default?: unknown; description?: string };
export type Param = {
  name: string;
  kind: "text" | "number" | "flag";
  required: boolean;
  initial: string;
  help: string;
};

/** The fields that a JSON schema asks for; null when it holds something that no plain field can take. */
export function paramsOf(schema: Record<string, unknown>): Param[] | null {
  const properties = (schema.properties ?? {}) as Record<string, Property>;
  const required = new Set((schema.required as string[] | undefined) ?? []);
  const kinds = { string: "text", integer: "number", number: "number", boolean: "flag" } as const;
  const fields: Param[] = [];
  for (const [name, property] of Object.entries(properties)) {
    const kind = kinds[property.type as keyof typeof kinds];
    if (!kind) return null;
    const initial = property.default === undefined || property.default === null ? "" : String(property.default);
    fields.push({ name, kind, required: required.has(name), initial, help: property.description ?? "" });
  }
  return fields;
}

/** What was typed as the params of a job; empty fields keep their default. */
export function typed(fields: readonly Param[], values: Record<string, string>): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const { name, kind, initial } of fields) {
    const value = values[name] ?? initial;
    if (value === "") continue;
    params[name] = kind === "number" ? Number(value) : kind === "flag" ? value === "true" : value;
  }
  return params;
}
