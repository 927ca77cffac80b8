/** Short news at the foot of the page, with at most one way on. They go by themselves; bad news stays until read. */
import { type ReactNode, useSyncExternalStore } from "react";
import { Icon } from "./icon";
import styles from "./toast.module.css";

export type Toast = { id: number; text: string; tone: "idle" | "bad"; href?: string; action?: string };

let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();
function set(value: readonly Toast[]) {
  toasts = value;
  for (const listener of listeners) listener();
}

export function dismiss(id: number) {
  set(toasts.filter((toast) => toast.id !== id));
}

export function dismissAll() {
  set([]);
}

export function tell(text: string, { tone = "idle", href, action }: Partial<Omit<Toast, "id" | "text">> = {}) {
  const id = next++;
  set([...toasts.slice(-2), { id, text, tone, href, action }]);
  if (tone !== "bad") setTimeout(() => dismiss(id), 7000);
}

export function Toasts({ link }: { link: (href: string, text: string, onClick: () => void) => ReactNode }) {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles.place} aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`${styles.toast} ${toast.tone === "bad" ? styles.bad : ""}`}>
          <span>{toast.text}</span>
          {toast.href && link(toast.href, toast.action ?? "Open", () => dismiss(toast.id))}
          <button type="button" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <Icon name="cross" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
