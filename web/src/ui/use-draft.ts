/** A form's draft that survives a reload of the tab; forgotten when `clear` is called. */
import { useEffect, useState } from "react";

export function useDraft<T extends object>(name: string, initial: T) {
  const key = `semantik.draft.${name}`;
  const [draft, setDraft] = useState<T>(() => {
    try {
      const kept = sessionStorage.getItem(key);
      return kept ? { ...initial, ...(JSON.parse(kept) as Partial<T>) } : initial;
    } catch {
      return initial;
    }
  });
  useEffect(() => {
    try {
      sessionStorage.setItem(key, JSON.stringify(draft));
    } catch {
      // A full or closed storage loses the draft on reload, nothing more.
    }
  }, [key, draft]);
  return {
    draft,
    set: <K extends keyof T>(field: K, value: T[K]) => setDraft((old) => ({ ...old, [field]: value })),
    clear: () => {
      setDraft(initial);
      sessionStorage.removeItem(key);
    },
  };
}
