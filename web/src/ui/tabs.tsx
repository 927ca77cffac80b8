/** A row of tabs, links of any kind. Where it is too narrow it scrolls, shows that there is more, and brings the open one into view. */
import { type ReactNode, useEffect, useRef } from "react";
import styles from "./tabs.module.css";

export const tabClass = styles.tab;
export const tabCountClass = styles.count;

export function Tabs({ label, children }: { label: string; children: ReactNode }) {
  const row = useRef<HTMLElement>(null);
  // After each render, for the open tab changes with the address alone; and when a count that comes later moves the others.
  useEffect(() => {
    const nav = row.current;
    if (!nav) return;
    show(nav);
    if (typeof ResizeObserver === "undefined") return;
    const sizes = new ResizeObserver(() => show(nav));
    for (const tab of [nav, ...nav.children]) sizes.observe(tab);
    return () => sizes.disconnect();
  });
  return (
    <nav ref={row} className={styles.tabs} aria-label={label} onScroll={(event) => hint(event.currentTarget)}>
      {children}
    </nav>
  );
}

/** So much of the neighbour stays in sight, and the open tab out of what pales at the ends. */
const EDGE = 40;

function show(nav: HTMLElement) {
  const open = nav.querySelector<HTMLElement>('[aria-current="page"]');
  if (open) {
    const { offsetLeft: left, offsetWidth: width } = open;
    if (left - EDGE < nav.scrollLeft) nav.scrollLeft = left - EDGE;
    else if (left + width + EDGE > nav.scrollLeft + nav.clientWidth)
      nav.scrollLeft = left + width - nav.clientWidth + EDGE;
  }
  hint(nav);
}

/** Says at which ends there is more, for the style to show it. */
function hint(nav: HTMLElement) {
  const before = nav.scrollLeft > 1;
  const after = nav.scrollLeft + nav.clientWidth < nav.scrollWidth - 1;
  if (before || after) nav.dataset.more = [before && "before", after && "after"].filter(Boolean).join(" ");
  else delete nav.dataset.more;
}
