/** Who you are here: account, password, how the pages look, log out. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api } from "@/api/client";
import { problemOf } from "@/api/problem";
import { logout, useSession } from "@/api/session";
import { paths } from "@/lib/paths";
import { applyTheme, readTheme, type Theme } from "@/lib/theme";
import { sentence } from "@/lib/words";
import { Button } from "@/ui/button";
import { Form, FormActions, SelectField, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Fact, Facts, Section } from "@/ui/page";
import { tell } from "@/ui/toast";

export function ProfileSection() {
  const state = useSession();
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [theme, setTheme] = useState<Theme>(readTheme);
  if (state.status !== "in") return null;
  const { user } = state;
  return (
    <>
      <Facts>
        {user.name && <Fact name="Name">{user.name}</Fact>}
        <Fact name="E-mail">{user.email}</Fact>
        <Fact name="Role">{sentence(user.role)}</Fact>
      </Facts>
      <Section title="Look">
        <Form onSubmit={() => undefined}>
          <SelectField
            label="Theme"
            help="Kept in this browser."
            value={theme}
            onChange={(e) => {
              const next = e.target.value as Theme;
              setTheme(next);
              applyTheme(next);
            }}
          >
            <option value="system">As the system says</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </SelectField>
        </Form>
      </Section>
      <Section title="Password">
        <PasswordForm />
      </Section>
      <Section title="Session">
        <Button
          icon="logout"
          onClick={() => {
            void logout().finally(() => {
              cache.clear();
              navigate(paths.login());
            });
          }}
        >
          Log out
        </Button>
      </Section>
    </>
  );
}

function PasswordForm() {
  const change = api.useMutation("post", "/api/v1/me/password");
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const problem = change.error ? problemOf(change.error) : null;
  const short = next !== "" && next.length < 8;
  return (
    <Form
      onSubmit={() => {
        if (!current || next.length < 8) return;
        change.mutate(
          { body: { current, new: next } },
          {
            onSuccess: () => {
              setCurrent("");
              setNext("");
              tell("Password changed.");
            },
          },
        );
      }}
    >
      <TextField
        label="Current password"
        type="password"
        autoComplete="current-password"
        value={current}
        error={problem?.fields.current}
        onChange={(e) => setCurrent(e.target.value)}
      />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        help="At least 8 characters; a sentence is good."
        value={next}
        error={short ? "At least 8 characters." : problem?.fields.new}
        onChange={(e) => setNext(e.target.value)}
      />
      {problem && Object.keys(problem.fields).length === 0 && <ProblemNotice problem={problem} />}
      <FormActions>
        <Button
          type="submit"
          busy={change.isPending}
          why={
            !current ? "Enter the current password first." : next.length < 8 ? "The new password is too short." : null
          }
        >
          Change password
        </Button>
      </FormActions>
    </Form>
  );
}
