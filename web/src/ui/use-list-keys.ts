/** j and k walk a list, and so do the arrows once a row has the focus: it moves between the rows' main links, Enter opens as everywhere. */
import { type RefObject, useEffect } from "react";

export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !(target instanceof HTMLInputElement && /^(checkbox|radio|button)$/.test(target.type))
  );
}

export function useListKeys(list: RefObject<HTMLElement | null>) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      const arrow = event.key === "ArrowDown" || event.key === "ArrowUp";
      if (!arrow && event.key !== "j" && event.key !== "k") return;
      const rows = [...(list.current?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
      if (rows.length === 0) return;
      const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
      // Elsewhere the arrows scroll the page.
      if (arrow && at < 0) return;
      const step = event.key === "j" || event.key === "ArrowDown" ? 1 : -1;
      const to = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step));
      event.preventDefault();
      rows[to]?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [list]);
}
