/** The processes of one worker, which are drained and resumed together. Pure. */
import type { Worker } from "@/api/types";
import { counted } from "@/lib/format";

export type Group = { name: string; processes: Worker[] };

/** By the name of their worker, in the order in which the names come up. */
export function grouped(processes: readonly Worker[]): Group[] {
  const groups = new Map<string, Worker[]>();
  for (const one of processes) groups.set(one.name, [...(groups.get(one.name) ?? []), one]);
  return [...groups].map(([name, own]) => ({ name, processes: own }));
}

/** Those that can be drained or resumed. */
export const living = ({ processes }: Group) => processes.filter(({ state }) => state === "up" || state === "draining");

/** `resuming`: no longer asked to drain, but its processes have yet to hear of it. */
export function drainOf(group: Group): "no" | "asked" | "resuming" {
  const alive = living(group);
  if (alive.some(({ drain_asked_at }) => drain_asked_at !== null)) return "asked";
  return alive.every(({ state }) => state === "draining") ? "resuming" : "no";
}

/** What draining does, before it is done. */
export function drainWords(group: Group): string {
  const many = living(group).length;
  const [its, take] = many === 1 ? ["its process", "takes"] : [`its ${counted(many, "process", "processes")}`, "take"];
  return `Its running jobs go back to the queue, and ${its} ${take} no more until it is resumed.`;
}
