/** How much has failed for good, beside the name of the tab. */
import { count } from "@/lib/format";
import { useDeadCount } from "./use-dead-letters";

export function DeadCount({ className }: { className?: string }) {
  const dead = useDeadCount();
  return dead > 0 ? <span className={className}>{count(dead)}</span> : null;
}
