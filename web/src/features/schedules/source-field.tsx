/** Which source a schedule syncs: first the collection, then one of its sources, both by name. */
import { useState } from "react";
import { useAllCollections } from "@/api/queries";
import { SelectField } from "@/ui/field";
import { useSource, useSourcesOf } from "./use-schedules";

export function SourceField({
  value,
  error,
  onChange,
}: {
  /** The id of the source, empty while none is chosen. */
  value: string;
  error?: string | null;
  onChange: (source: string) => void;
}) {
  const collections = useAllCollections();
  const present = useSource(value);
  const [chosen, choose] = useState<string | null>(null);
  const collection = chosen ?? present.data?.collection_id ?? "";
  const sources = useSourcesOf(collection);
  return (
    <>
      <SelectField
        label="Collection"
        value={collection}
        onChange={(e) => {
          choose(e.target.value);
          onChange("");
        }}
      >
        <option value="">Choose a collection</option>
        {collections.data?.items.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="Source"
        value={value}
        error={error}
        help={sources.data?.items.length === 0 ? "This collection has no source." : undefined}
        onChange={(e) => onChange(e.target.value)}
      >
        <option value="">{collection ? "Choose a source" : "First choose its collection"}</option>
        {sources.data?.items.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </SelectField>
    </>
  );
}
