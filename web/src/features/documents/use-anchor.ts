/**
 * Holds the text still while more of it arrives above. Browsers do this themselves only now and then (not at all in some),
 * so the reader does it: it remembers where a block in view stands, and puts it back there after each change.
 */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef } from "react";

type Anchor = { start: number; top: number };

function inView(root: HTMLElement): Anchor | null {
  for (const element of root.querySelectorAll<HTMLElement>("[data-start]")) {
    const { top, height } = element.getBoundingClientRect();
    // One that begins in view: the block at the very edge may be cut anew when its other half arrives.
    if (height > 0 && top >= 0) return top < window.innerHeight ? { start: Number(element.dataset.start), top } : null;
  }
  return null;
}

/** Returns what whoever scrolls by itself calls right after: more text may arrive before the browser tells of the scrolling. */
export function useAnchor(root: RefObject<HTMLElement | null>, change: unknown): () => void {
  const anchor = useRef<Anchor | null>(null);
  const hold = useCallback(() => {
    if (root.current) anchor.current = inView(root.current);
  }, [root]);

  useEffect(() => {
    let frame = 0;
    const remember = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(hold);
    };
    window.addEventListener("scroll", remember, { passive: true });
    window.addEventListener("resize", remember, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", remember);
      window.removeEventListener("resize", remember);
    };
  }, [hold]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `change` is what moves the text
  useLayoutEffect(() => {
    const element = root.current;
    if (!element) return;
    const before = anchor.current;
    // Still at the top of the page: nobody has begun to read, and there is nothing to hold.
    if (before && window.scrollY > 0) {
      const same = element.querySelector<HTMLElement>(`[data-start="${before.start}"]`);
      if (same) window.scrollBy(0, same.getBoundingClientRect().top - before.top);
    }
    anchor.current = inView(element);
  }, [root, change]);

  return hold;
}
