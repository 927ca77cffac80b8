/** Where to search: in all collections, in one, or in several, which are ticked once "Several" is chosen. */
import { useState } from "react";
import type { Collection } from "@/api/types";
import { CollectionPicker } from "@/ui/collection-picker";
import { CheckField } from "@/ui/field";
import styles from "./search.module.css";

/** The picker of the toolbar, and what stands below the toolbar while several are chosen. */
export function useScope(
  chosen: readonly string[],
  collections: readonly Collection[],
  onChoose: (ids: string[]) => void,
) {
  const [ticking, setTicking] = useState(false);
  const several = ticking || chosen.length > 1;
  const picker = (
    <CollectionPicker
      label="Search in"
      any="All collections"
      value={several ? "several" : (chosen[0] ?? "")}
      collections={collections}
      onChoose={(id) => {
        setTicking(id === "several");
        if (id !== "several") onChoose(id ? [id] : []);
      }}
    >
      {(several || collections.length > 2) && (
        <option value="several">{chosen.length > 1 ? `${chosen.length} collections` : "Several…"}</option>
      )}
    </CollectionPicker>
  );
  const boxes = several ? (
    <fieldset className={styles.within}>
      <legend className="hidden">Collections</legend>
      {collections.map(({ id, name }) => (
        <CheckField
          key={id}
          label={name}
          checked={chosen.includes(id)}
          onChange={(event) =>
            onChoose(event.target.checked ? [...chosen, id] : chosen.filter((other) => other !== id))
          }
        />
      ))}
    </fieldset>
  ) : null;
  return { picker, boxes };
}
