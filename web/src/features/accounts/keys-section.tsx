/** API keys: made here, shown once, revoked here. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { problemLine, problemOf } from "@/api/problem";
import { refetch } from "@/api/query";
import type { ApiKey, Scope } from "@/api/types";
import { copy } from "@/lib/copy";
import { day } from "@/lib/format";
import { Button } from "@/ui/button";
import { Form, FormActions, SelectField, TextField } from "@/ui/field";
import { Empty, Notice, ProblemNotice } from "@/ui/notice";
import { Section } from "@/ui/page";
import { SkeletonRows } from "@/ui/skeleton";
import { Status } from "@/ui/status";
import table from "@/ui/table.module.css";
import { Ago } from "@/ui/time";
import { tell } from "@/ui/toast";
import styles from "./accounts.module.css";

const KEYS = "/api/v1/api-keys";
const SCOPES: Record<Scope, string> = {
  read: "Read: search and read documents",
  write: "Write: also add and change",
  admin: "Admin: everything",
};

export function KeysSection() {
  const cache = useQueryClient();
  const keys = api.useQuery("get", KEYS, { params: { query: { limit: 100 } } });
  const create = api.useMutation("post", KEYS, { onSuccess: () => refetch(cache, KEYS) });
  const revoke = api.useMutation("delete", "/api/v1/api-keys/{key_id}", {
    onSuccess: () => refetch(cache, KEYS),
    onError: (error) => tell(problemLine(error), { tone: "bad" }),
  });
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("read");
  const [days, setDays] = useState("90");
  const [tried, setTried] = useState(false);
  const problem = create.error ? problemOf(create.error) : null;

  return (
    <>
      <p className={styles.dim}>
        A key lets a program in without a password. It goes into the header <code>Authorization: Bearer sk_…</code>
      </p>
      {keys.isError && <ProblemNotice problem={problemOf(keys.error)} />}
      {keys.isPending && <SkeletonRows rows={3} />}
      {keys.data && keys.data.items.length === 0 && <Empty>There are no keys. Create one below.</Empty>}
      {keys.data && keys.data.items.length > 0 && (
        <table className={`${table.table} ${styles.keys}`}>
          <thead>
            <tr>
              <th>Name</th>
              <th>Key</th>
              <th>Scope</th>
              <th>State</th>
              <th className={table.number}>Last used</th>
              <th>
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.data.items.map((key) => (
              <tr key={key.id}>
                <td className={table.main}>{key.name}</td>
                <td>
                  <code>{key.prefix}…</code>
                </td>
                <td>{key.scope}</td>
                <td>
                  <KeyState apiKey={key} />
                </td>
                <td className={`${table.number} ${table.dim}`}>{key.used_at ? <Ago at={key.used_at} /> : "never"}</td>
                <td className={table.number}>
                  {!key.revoked_at && (
                    <Button
                      small
                      look="danger"
                      aria-label={`Revoke ${key.name}`}
                      busy={revoke.isPending && revoke.variables.params.path.key_id === key.id}
                      onClick={() => revoke.mutate({ params: { path: { key_id: key.id } } })}
                    >
                      Revoke
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Section title="Create key">
        {create.data ? (
          <Shown apiKey={create.data.key} name={create.data.name} onDone={() => create.reset()} />
        ) : (
          <Form
            onSubmit={() => {
              setTried(true);
              if (!name.trim()) return;
              create.mutate(
                { body: { name: name.trim(), scope, ...(days ? { expires_in_days: Number(days) } : {}) } },
                {
                  onSuccess: () => {
                    setName("");
                    setTried(false);
                  },
                },
              );
            }}
          >
            <TextField
              label="Name"
              help="Say what will use it."
              value={name}
              autoComplete="off"
              error={tried && !name.trim() ? "A key needs a name." : problem?.fields.name}
              onChange={(e) => setName(e.target.value)}
            />
            <SelectField label="Scope" value={scope} onChange={(e) => setScope(e.target.value as Scope)}>
              {Object.entries(SCOPES).map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </SelectField>
            <SelectField label="Expires" value={days} onChange={(e) => setDays(e.target.value)}>
              <option value="7">In 7 days</option>
              <option value="30">In 30 days</option>
              <option value="90">In 90 days</option>
              <option value="365">In a year</option>
              <option value="">Never</option>
            </SelectField>
            {problem && !problem.fields.name && <ProblemNotice problem={problem} />}
            <FormActions>
              <Button type="submit" busy={create.isPending}>
                Create key
              </Button>
            </FormActions>
          </Form>
        )}
      </Section>
    </>
  );
}

function KeyState({ apiKey }: { apiKey: ApiKey }) {
  if (apiKey.revoked_at)
    return (
      <Status tone="idle" icon="minus">
        Revoked
      </Status>
    );
  if (apiKey.expires_at && new Date(apiKey.expires_at) < new Date())
    return (
      <Status tone="warn" icon="clock">
        Expired
      </Status>
    );
  return (
    <Status tone="ok" icon="check">
      {apiKey.expires_at ? `Until ${day(apiKey.expires_at)}` : "Active"}
    </Status>
  );
}

function Shown({ apiKey, name, onDone }: { apiKey: string; name: string; onDone: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <Notice tone="ok" icon="check">
      <p>The key “{name}” is shown this once. Copy it now; later only its first characters can be seen.</p>
      <p className={styles.shown}>
        <code data-testid="new-key">{apiKey}</code>
      </p>
      <FormActions>
        <Button
          icon={copied ? "check" : "copy"}
          onClick={() => {
            void copy(apiKey).then((done) => {
              if (done) setCopied(true);
              else tell("This browser does not let the page copy: mark the key and copy it by hand.", { tone: "bad" });
            });
          }}
        >
          {copied ? "Copied" : "Copy key"}
        </Button>
        <Button look="quiet" onClick={onDone}>
          Done
        </Button>
      </FormActions>
    </Notice>
  );
}
