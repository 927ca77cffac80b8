/** Form fields: label above, help below, the error in place of the help. */
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import styles from "./field.module.css";

type Frame = { label: string; help?: ReactNode; error?: string | null; optional?: boolean };
type Wiring = { id: string; "aria-describedby"?: string; "aria-invalid"?: true };

function Framed({ label, help, error, optional, children }: Frame & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId();
  const below = `${id}-below`;
  const wiring: Wiring = { id };
  if (help || error) wiring["aria-describedby"] = below;
  if (error) wiring["aria-invalid"] = true;
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {label}
        {optional && <span className={styles.optional}> optional</span>}
      </label>
      {children(wiring)}
      {(help || error) && (
        <p id={below} className={error ? styles.error : styles.help} role={error ? "alert" : undefined}>
          {error ?? help}
        </p>
      )}
    </div>
  );
}

export function TextField({
  label,
  help,
  error,
  optional,
  mono,
  ...input
}: Frame & InputHTMLAttributes<HTMLInputElement> & { mono?: boolean }) {
  return (
    <Framed label={label} help={help} error={error} optional={optional}>
      {(wiring) => <input {...input} {...wiring} className={`${styles.input} ${mono ? styles.mono : ""}`} />}
    </Framed>
  );
}

export function TextArea({
  label,
  help,
  error,
  optional,
  mono,
  ...input
}: Frame & TextareaHTMLAttributes<HTMLTextAreaElement> & { mono?: boolean }) {
  return (
    <Framed label={label} help={help} error={error} optional={optional}>
      {(wiring) => (
        <textarea {...input} {...wiring} className={`${styles.input} ${styles.area} ${mono ? styles.mono : ""}`} />
      )}
    </Framed>
  );
}

export function SelectField({
  label,
  help,
  error,
  optional,
  children,
  ...select
}: Frame & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Framed label={label} help={help} error={error} optional={optional}>
      {(wiring) => (
        <select {...select} {...wiring} className={`${styles.input} ${styles.select}`}>
          {children}
        </select>
      )}
    </Framed>
  );
}

export function CheckField({
  label,
  help,
  ...input
}: { label: string; help?: string } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={styles.check}>
      <input type="checkbox" id={id} aria-describedby={help ? `${id}-below` : undefined} {...input} />
      <label htmlFor={id}>{label}</label>
      {help && (
        <p id={`${id}-below`} className={styles.help}>
          {help}
        </p>
      )}
    </div>
  );
}

/** A select in a toolbar: the label is read, not shown. */
export function Picker({
  label,
  children,
  ...select
}: { label: string; children: ReactNode } & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <select aria-label={label} {...select} className={`${styles.input} ${styles.select} ${styles.picker}`}>
      {children}
    </select>
  );
}

export function Form({ children, onSubmit }: { children: ReactNode; onSubmit: () => void }) {
  return (
    <form
      className={styles.form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
    </form>
  );
}

export function FormActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>;
}
