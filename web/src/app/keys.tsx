/** The keyboard: / and ⌘K reach search from anywhere, ? shows the keys, g then a letter goes. */
import { useEffect, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { paths } from "@/lib/paths";
import { Dialog } from "@/ui/dialog";
import { isTyping } from "@/ui/use-list-keys";
import styles from "./keys.module.css";

const GO: Record<string, string> = {
  s: paths.search(),
  c: paths.collections(),
  j: paths.jobs(),
};

const LIST: [string[], string][] = [
  [["/"], "Search from anywhere"],
  [["⌘ K", "Ctrl K"], "Search from anywhere, also while typing"],
  [["Esc"], "Leave the search box"],
  [["↓"], "From the search box to the first row"],
  [["j", "k"], "Next or previous row; on a row also ↓ and ↑"],
  [["Enter"], "Open the row"],
  [["g", "s"], "Go to search"],
  [["g", "c"], "Go to collections"],
  [["g", "j"], "Go to jobs"],
  [["?"], "Show these keys"],
];

export function Keys() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [open, setOpen] = useState(false);
  const afterG = useRef(0);

  useEffect(() => {
    const toSearch = (event: KeyboardEvent) => {
      event.preventDefault();
      const box = document.querySelector<HTMLInputElement>("[data-search-box]");
      if (box && pathname === paths.search()) {
        box.focus();
        box.select();
        // At once, or the first letters of a quick hand would fall between two pages.
      } else navigate(paths.search(), { state: { focus: true }, flushSync: true });
    };
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") return toSearch(event);
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "/") return toSearch(event);
      if (event.key === "?") {
        event.preventDefault();
        return setOpen(true);
      }
      if (Date.now() - afterG.current < 1000 && GO[event.key]) {
        event.preventDefault();
        event.stopImmediatePropagation();
        afterG.current = 0;
        return navigate(GO[event.key] ?? paths.home());
      }
      afterG.current = event.key === "g" ? Date.now() : 0;
    };
    // Capture: "g j" must win over the list's own j.
    window.addEventListener("keydown", onKey, { capture: true });
    return () => window.removeEventListener("keydown", onKey, { capture: true });
  }, [navigate, pathname]);

  return (
    <Dialog title="Keys" open={open} onClose={() => setOpen(false)}>
      <dl className={styles.keys}>
        {LIST.map(([keys, words]) => (
          <div key={words} className={styles.key}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
