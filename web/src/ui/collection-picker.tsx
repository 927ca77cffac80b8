/** One collection, or any: the same choice in every toolbar. */
import type { ReactNode } from "react";
import { Picker } from "./field";

export function CollectionPicker({
  label = "Collection",
  any = "Any collection",
  value,
  collections,
  onChoose,
  children,
}: {
  label?: string;
  any?: string;
  value: string;
  collections: readonly { id: string; name: string }[] | undefined;
  onChoose: (id: string) => void;
  /** further options, after the first */
  children?: ReactNode;
}) {
  return (
    <Picker label={label} value={value} onChange={(event) => onChoose(event.target.value)}>
      <option value="">{any}</option>
      {children}
      {collections?.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </Picker>
  );
}
