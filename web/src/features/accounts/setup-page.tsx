/** The first visit: the one-time token from the server's start becomes the first account. */
import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { api } from "@/api/client";
import { problemOf } from "@/api/problem";
import { session } from "@/api/session";
import { paths } from "@/lib/paths";
import { Button, buttonClass } from "@/ui/button";
import { Form, FormActions, TextField } from "@/ui/field";
import { ProblemNotice } from "@/ui/notice";
import { Entrance } from "./entrance";

/** The token travels in the fragment, which no server and no log ever sees; a query is taken too. */
function tokenFromUrl(): string {
  return (
    new URLSearchParams(location.hash.slice(1)).get("token") ?? new URLSearchParams(location.search).get("token") ?? ""
  );
}

/** A used or shared link must not stay in the history. */
function forget() {
  history.replaceState(history.state, "", paths.setup());
}

const SHORTEST = 8;

export function SetupPage() {
  const navigate = useNavigate();
  const state = api.useQuery("get", "/api/v1/setup", {}, { staleTime: 0 });
  const setup = api.useMutation("post", "/api/v1/setup");
  const [fromUrl, setFromUrl] = useState(tokenFromUrl);
  const [token, setToken] = useState(fromUrl);
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);

  useEffect(() => {
    // A link pasted into a tab that shows this page already changes the fragment alone: nothing is loaded anew.
    const onPaste = () => {
      const found = tokenFromUrl();
      if (!found) return;
      setFromUrl(found);
      setToken(found);
      forget();
    };
    window.addEventListener("hashchange", onPaste);
    return () => window.removeEventListener("hashchange", onPaste);
  }, []);

  useEffect(() => {
    if (fromUrl) forget();
  }, [fromUrl]);

  const problem = setup.error ? problemOf(setup.error) : null;
  const errors = {
    token: token.trim() ? problem?.fields.token : "The token stands in the server's first output.",
    email: /.+@.+/.test(email) ? problem?.fields.email : "An e-mail address is needed to log in.",
    password: password.length >= SHORTEST ? problem?.fields.password : `At least ${SHORTEST} characters.`,
  };
  const ready = token.trim() !== "" && /.+@.+/.test(email) && password.length >= SHORTEST;

  if (state.data && !state.data.needed && session.get().status !== "in")
    return (
      <Entrance title="Already set up" lead="This server has its first account.">
        <Link to={paths.login()} className={buttonClass("primary")}>
          Log in
        </Link>
      </Entrance>
    );

  return (
    <Entrance title="Set up Semantik" lead="Create the first account. It can do everything.">
      <Form
        onSubmit={() => {
          setTried(true);
          if (!ready || setup.isPending) return;
          setup.mutate(
            { body: { token: token.trim(), email: email.trim(), password, name: name.trim() } },
            {
              onSuccess: (answer) => {
                session.start(answer);
                navigate(paths.home(), { replace: true });
              },
            },
          );
        }}
      >
        {!fromUrl && (
          <TextField
            label="Set-up token"
            help="Printed by the server when it starts for the first time."
            mono
            autoComplete="off"
            spellCheck={false}
            value={token}
            error={tried ? errors.token : null}
            onChange={(e) => setToken(e.target.value)}
          />
        )}
        <TextField label="Name" optional autoComplete="name" value={name} onChange={(e) => setName(e.target.value)} />
        <TextField
          label="E-mail"
          type="email"
          autoComplete="username"
          value={email}
          error={tried ? errors.email : null}
          onChange={(e) => setEmail(e.target.value)}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="new-password"
          help={`At least ${SHORTEST} characters; a sentence is good.`}
          value={password}
          error={tried ? errors.password : null}
          onChange={(e) => setPassword(e.target.value)}
        />
        {problem && Object.keys(problem.fields).length === 0 && <ProblemNotice problem={problem} />}
        <FormActions>
          <Button type="submit" look="primary" busy={setup.isPending}>
            Create account
          </Button>
        </FormActions>
      </Form>
    </Entrance>
  );
}
