/** For what cannot be undone: type the name, then the button wakes. */
import { useState } from "react";
import { Button } from "./button";
import { Form, FormActions, TextField } from "./field";

export function ConfirmName({
  name,
  what,
  action,
  busy,
  error,
  onConfirm,
  onCancel,
}: {
  name: string;
  what: string;
  action: string;
  busy?: boolean;
  error?: string | null;
  onConfirm: () => void;
  onCancel?: () => void;
}) {
  const [typed, setTyped] = useState("");
  const same = typed.trim() === name.trim();
  return (
    <Form onSubmit={() => same && !busy && onConfirm()}>
      <TextField
        label={`Type “${name}” to confirm`}
        help={what}
        error={error}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setTyped(event.target.value)}
      />
      <FormActions>
        <Button type="submit" look="danger" busy={busy} why={same ? null : "The name does not match yet."}>
          {action}
        </Button>
        {onCancel && (
          <Button look="quiet" onClick={onCancel}>
            Keep it
          </Button>
        )}
      </FormActions>
    </Form>
  );
}
