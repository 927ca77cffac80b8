/** What reading the new and changed documents will take: each amount as a range, and what it was made of. */
import type { Plan } from "@/api/types";
import { about, between, bytes, counted, roughly } from "@/lib/format";
import { Fact, Facts } from "@/ui/page";
import styles from "./sources.module.css";

type Estimate = NonNullable<Plan["estimate"]>;

export function Expected({ estimate }: { estimate: Estimate }) {
  const { items, chunks, minutes, disk_bytes, tokens, cost } = estimate;
  return (
    <section aria-label="What it will take">
      <Facts>
        <Fact name="Time">{between(minutes.low * 60, minutes.high * 60, roughly)}</Fact>
        <Fact name="Documents">{between(items.low, items.high, about)}</Fact>
        <Fact name="Passages">{between(chunks.low, chunks.high, about)}</Fact>
        <Fact name="Disk">{between(disk_bytes.low, disk_bytes.high, bytes)}</Fact>
        {tokens && <Fact name="Tokens">{between(tokens.low, tokens.high, about)}</Fact>}
        {cost && <Fact name="Price">{between(cost.low, cost.high, about)}</Fact>}
      </Facts>
      <p className={styles.dim}>
        Nine times of ten it stays within. {counted(estimate.sampled, "document")} looked at; embedding speed from{" "}
        {estimate.speed_from}
        {tokens && !cost ? "; no price is set for the model." : "."}
      </p>
    </section>
  );
}
