/** The text stays where whoever scrolled by itself has put it, whatever arrives before the browser tells of the scrolling. */
import { render } from "@testing-library/react";
import { useRef } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useAnchor } from "./use-anchor";

const TOPS: Record<string, number> = { "0": 0, "100": 600 };
let scrolled = 0;
let hold = () => {};

function Text({ change }: { change: number }) {
  const root = useRef<HTMLDivElement>(null);
  hold = useAnchor(root, change);
  return (
    <div ref={root}>
      <p data-start="0">The first block</p>
      <p data-start="100">The passage</p>
    </div>
  );
}

beforeEach(() => {
  scrolled = 0;
  vi.spyOn(window, "scrollY", "get").mockImplementation(() => scrolled);
  vi.spyOn(window, "scrollBy").mockImplementation((_x, y) => {
    scrolled += Number(y);
  });
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
    return { top: (TOPS[this.dataset.start ?? ""] ?? 0) - scrolled, height: 40 } as DOMRect;
  });
});

afterEach(() => vi.restoreAllMocks());

test("more text in the same moment does not undo a jump", () => {
  const { rerender } = render(<Text change={1} />);
  scrolled = 500;
  hold();
  rerender(<Text change={2} />);
  expect(scrolled).toBe(500);
});

test("text that arrives above moves the page along", () => {
  const { rerender } = render(<Text change={1} />);
  scrolled = 500;
  hold();
  TOPS["100"] = 900;
  rerender(<Text change={2} />);
  expect(scrolled).toBe(800);
  TOPS["100"] = 600;
});
