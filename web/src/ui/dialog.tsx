/** A sheet over the page, for the few things that are no page of their own. */
import { type ReactNode, useEffect, useRef } from "react";
import { Button } from "./button";
import styles from "./dialog.module.css";

export function Dialog({
  title,
  open,
  onClose,
  children,
}: {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) element.showModal();
    if (!open && element.open) element.close();
  }, [open]);
  return (
    <dialog ref={dialog} className={styles.dialog} aria-label={title} onClose={onClose}>
      {open && (
        <>
          <header className={styles.head}>
            <h2>{title}</h2>
            <Button look="quiet" small onClick={onClose}>
              Close
            </Button>
          </header>
          {children}
        </>
      )}
    </dialog>
  );
}
