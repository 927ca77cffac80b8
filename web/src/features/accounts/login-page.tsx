/** Log in with e-mail and password. */
import { useState } from "react";
import { Navigate, useLocation, useSearchParams } from "react-router";
import { api } from "@/api/client";
import { problemOf } from "@/api/problem";
import { session, useSession } from "@/api/session";
import { safeNext } from "@/lib/paths";
import { Button } from "@/ui/button";
import { Form, FormActions, TextField } from "@/ui/field";
import { Notice, ProblemNotice } from "@/ui/notice";
import { Entrance } from "./entrance";

export function LoginPage() {
  const state = useSession();
  const [params] = useSearchParams();
  const { state: from } = useLocation() as { state: { reason?: string } | null };
  const login = api.useMutation("post", "/api/v1/auth/login");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);

  if (state.status === "in") return <Navigate to={safeNext(params.get("next"))} replace />;
  const problem = login.error ? problemOf(login.error) : null;
  return (
    <Entrance title="Log in" lead="Your documents, passages and jobs are behind this door.">
      {from?.reason === "ended" && !problem && (
        <Notice icon="lock">Your session ended. Log in to go on where you were.</Notice>
      )}
      <Form
        onSubmit={() => {
          setTried(true);
          if (!email.trim() || !password || login.isPending) return;
          login.mutate({ body: { email: email.trim(), password } }, { onSuccess: (answer) => session.start(answer) });
        }}
      >
        <TextField
          label="E-mail"
          type="email"
          autoComplete="username"
          autoFocus
          value={email}
          error={tried && !email.trim() ? "Enter the e-mail address of your account." : problem?.fields.email}
          onChange={(e) => setEmail(e.target.value)}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="current-password"
          value={password}
          error={tried && !password ? "Enter your password." : problem?.fields.password}
          onChange={(e) => setPassword(e.target.value)}
        />
        {problem && Object.keys(problem.fields).length === 0 && <ProblemNotice problem={problem} />}
        <FormActions>
          <Button type="submit" look="primary" busy={login.isPending}>
            Log in
          </Button>
        </FormActions>
      </Form>
    </Entrance>
  );
}
