import { waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { open, screen, world } from "@/test/app";

describe("set-up", () => {
  it("is where the first visitor lands", async () => {
    const { url } = open("/collections", world("fresh"));
    expect(await screen.findByRole("heading", { name: "Set up Semantik" })).toBeVisible();
    expect(url()).toBe("/setup");
  });

  it("makes the first account with the token of the link", async () => {
    history.replaceState(null, "", "/setup#token=mock-token");
    const { user, url } = open("/setup", world("fresh"));
    expect(screen.queryByLabelText("Set-up token")).not.toBeInTheDocument();
    await user.type(await screen.findByLabelText("E-mail"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "short");
    await user.click(screen.getByRole("button", { name: "Create account" }));
    expect(screen.getByText("At least 8 characters.")).toBeVisible();
    await user.type(screen.getByLabelText("Password"), " but long enough");
    await user.click(screen.getByRole("button", { name: "Create account" }));
    await waitFor(() => expect(url()).toBe("/search"));
    expect(location.hash).toBe("");
  });

  it("takes the token of a link that is pasted into a tab already open here", async () => {
    history.replaceState(null, "", "/setup");
    const { user, url } = open("/setup", world("fresh"));
    await user.type(await screen.findByLabelText("Set-up token"), "an old one");
    location.hash = "token=mock-token";
    await waitFor(() => expect(screen.queryByLabelText("Set-up token")).not.toBeInTheDocument());
    expect(location.hash).toBe("");
    await user.type(screen.getByLabelText("E-mail"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "a quiet reading room");
    await user.click(screen.getByRole("button", { name: "Create account" }));
    await waitFor(() => expect(url()).toBe("/search"));
  });

  it("says what is wrong with a token", async () => {
    history.replaceState(null, "", "/setup");
    const { user } = open("/setup", world("fresh"));
    await user.type(await screen.findByLabelText("Set-up token"), "nonsense");
    await user.type(screen.getByLabelText("E-mail"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "a quiet reading room");
    await user.click(screen.getByRole("button", { name: "Create account" }));
    expect(await screen.findByRole("alert")).toHaveTextContent("This set-up token is not the server's.");
  });

  it("happens once", async () => {
    open("/setup", world("out"));
    expect(await screen.findByText("This server has its first account.")).toBeVisible();
  });
});

describe("log in", () => {
  it("comes between, and leads where one wanted to go", async () => {
    const { user, url } = open("/jobs?status=failed", world("out"));
    expect(await screen.findByRole("heading", { name: "Log in" })).toBeVisible();
    expect(url()).toBe("/login?next=%2Fjobs%3Fstatus%3Dfailed");
    await user.click(screen.getByRole("button", { name: "Log in" }));
    expect(screen.getByText("Enter your password.")).toBeVisible();
    await user.type(screen.getByLabelText("E-mail"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "not this one");
    await user.click(screen.getByRole("button", { name: "Log in" }));
    expect(await screen.findByText(/do not belong together/)).toBeVisible();
    await user.clear(screen.getByLabelText("Password"));
    await user.type(screen.getByLabelText("Password"), "reading room 42");
    await user.click(screen.getByRole("button", { name: "Log in" }));
    await waitFor(() => expect(url()).toBe("/jobs?status=failed"));
  });
});

describe("settings", () => {
  it("change the password, with the server's word beside the field", async () => {
    const { user, db } = open("/settings");
    await user.type(await screen.findByLabelText("Current password"), "wrong one here");
    await user.type(screen.getByLabelText("New password"), "another quiet room");
    await user.click(screen.getByRole("button", { name: "Change password" }));
    expect(await screen.findByText("This is not your current password.")).toBeVisible();
    await user.clear(screen.getByLabelText("Current password"));
    await user.type(screen.getByLabelText("Current password"), "reading room 42");
    await user.click(screen.getByRole("button", { name: "Change password" }));
    expect(await screen.findByText("Password changed.")).toBeVisible();
    expect(db.password).toBe("another quiet room");
  });

  it("choose the theme and log out", async () => {
    const { user, url } = open("/settings");
    await user.selectOptions(await screen.findByLabelText("Theme"), "Dark");
    expect(document.documentElement.dataset.theme).toBe("dark");
    await user.selectOptions(screen.getByLabelText("Theme"), "As the system says");
    expect(document.documentElement.dataset.theme).toBeUndefined();
    await user.click(screen.getByRole("button", { name: "Log out" }));
    await waitFor(() => expect(url()).toMatch(/^\/login/));
  });

  it("show a new API key once, and revoke one", async () => {
    const { user, db } = open("/settings/keys");
    const row = (await screen.findByText("Backup script")).closest("tr") as HTMLElement;
    await user.click(within(row).getByRole("button", { name: "Revoke Backup script" }));
    await waitFor(() => expect(row).toHaveTextContent("Revoked"));
    await user.click(screen.getByRole("button", { name: "Create key" }));
    expect(screen.getByText("A key needs a name.")).toBeVisible();
    await user.type(screen.getByLabelText("Name"), "Nightly");
    await user.selectOptions(screen.getByLabelText("Scope"), "write");
    await user.click(screen.getByRole("button", { name: "Create key" }));
    expect(await screen.findByTestId("new-key")).toHaveTextContent("sk_h2VwK4mJ8sYp3TzQ7nRb5cXd");
    await user.click(screen.getByRole("button", { name: "Copy key" }));
    expect(await screen.findByRole("button", { name: "Copied" })).toBeVisible();
    expect(await navigator.clipboard.readText()).toBe("sk_h2VwK4mJ8sYp3TzQ7nRb5cXd");
    await user.click(screen.getByRole("button", { name: "Done" }));
    expect(screen.queryByTestId("new-key")).not.toBeInTheDocument();
    expect(db.keys[0]).toMatchObject({ name: "Nightly", scope: "write" });
  });

  it("tell what runs here", async () => {
    open("/settings/about");
    expect(await screen.findByText("0.1.0")).toBeVisible();
    expect(await screen.findByText("multilingual-e5-small")).toBeVisible();
    expect(screen.getByText("Not installed")).toBeVisible();
  });
});

describe("the ends of the road", () => {
  it("are named", async () => {
    open("/nowhere");
    expect(await screen.findByRole("heading", { name: "Nothing at this address" })).toBeVisible();
  });

  it("show the request id of what nobody foresaw", async () => {
    open("/collections", world("failing"));
    expect(await screen.findByText("0199a3c2-mock")).toBeVisible();
    expect(screen.getByRole("alert")).toHaveTextContent("Look at the server's log for this request.");
  });
});
