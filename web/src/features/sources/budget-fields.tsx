/** The most that one sync may use up, meter by meter; an empty field is no limit. */
import { TextField } from "@/ui/field";

export const METERS = ["items", "minutes", "tokens", "cost"] as const;
export type Meter = (typeof METERS)[number];
export type BudgetDraft = Record<Meter, string>;

const LABELS: Record<Meter, string> = {
  items: "Most documents",
  minutes: "Most minutes",
  tokens: "Most tokens",
  cost: "Highest price",
};
const HELP: Partial<Record<Meter, string>> = {
  items: "A sync that comes to a limit pauses by itself; raise the limit on its page and resume.",
  tokens: "Counts only with a model that charges.",
  cost: "In the currency of SEMANTIK_REMOTE_EMBEDDING_PRICE.",
};

export function budgetDraft(budget: Record<string, number> | null | undefined): BudgetDraft {
  const read = (meter: Meter) => (budget?.[meter] === undefined ? "" : String(budget[meter]));
  return { items: read("items"), minutes: read("minutes"), tokens: read("tokens"), cost: read("cost") };
}

/** What a field says: a limit, no limit, or undefined for what is no number. */
export function limit(text: string): number | null | undefined {
  const bare = text.replaceAll(",", "").trim();
  if (bare === "") return null;
  const value = Number(bare);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

export function isBudget(draft: BudgetDraft): boolean {
  return METERS.every((meter) => limit(draft[meter]) !== undefined);
}

/** The budget that the fields say; null for none. */
export function budgetOf(draft: BudgetDraft): Record<string, number> | null {
  const limits = METERS.flatMap((meter) => {
    const value = limit(draft[meter]);
    return value === null || value === undefined ? [] : [[meter, value] as const];
  });
  return limits.length > 0 ? Object.fromEntries(limits) : null;
}

export function BudgetFields({ draft, set }: { draft: BudgetDraft; set: (meter: Meter, value: string) => void }) {
  return (
    <>
      {METERS.map((meter) => (
        <TextField
          key={meter}
          label={LABELS[meter]}
          optional
          inputMode="decimal"
          autoComplete="off"
          help={HELP[meter]}
          value={draft[meter]}
          error={limit(draft[meter]) === undefined ? "Write a number, or nothing." : null}
          onChange={(e) => set(meter, e.target.value)}
        />
      ))}
    </>
  );
}
