/** Buttons say what they do. A disabled one says why. */
import { type ButtonHTMLAttributes, useId } from "react";
import styles from "./button.module.css";
import { Icon, type IconName } from "./icon";

export type ButtonLook = "plain" | "primary" | "quiet" | "danger";

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: ButtonLook;
  icon?: IconName;
  busy?: boolean;
  /** The reason this cannot be used now; makes it inert but still reachable, so that the reason can be read. */
  why?: string | null;
  small?: boolean;
};

export function buttonClass(look: ButtonLook = "plain", small = false): string {
  return [styles.button, styles[look], small ? styles.small : ""].join(" ");
}

export function Button({ look, icon, busy, why, small, children, onClick, type = "button", ...rest }: Props) {
  const id = useId();
  const inert = Boolean(why) || Boolean(busy);
  return (
    <>
      <button
        {...rest}
        type={type}
        className={buttonClass(look, small)}
        aria-disabled={inert || undefined}
        aria-busy={busy || undefined}
        aria-describedby={why ? id : undefined}
        title={why ?? rest.title}
        onClick={(event) => {
          if (inert) event.preventDefault();
          else onClick?.(event);
        }}
      >
        {icon && <Icon name={icon} />}
        <span>{children}</span>
      </button>
      {why && (
        <span id={id} className="hidden">
          {why}
        </span>
      )}
    </>
  );
}
