import { render, screen } from "@testing-library/react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { expect, it, vi } from "vitest";
import { BrokenPage } from "./error-pages";

it("a page that broke says what to do, and what broke only to the console", async () => {
  const console = vi.spyOn(globalThis.console, "error").mockImplementation(() => undefined);
  const Broken = () => {
    throw new TypeError("Cannot read properties of undefined (reading 'length')");
  };
  const router = createMemoryRouter([{ path: "/", element: <Broken />, errorElement: <BrokenPage /> }]);
  render(<RouterProvider router={router} />);
  expect(await screen.findByRole("heading", { name: "This page could not be shown" })).toBeVisible();
  expect(screen.getByRole("alert")).toHaveTextContent(/^Reload it\./);
  expect(document.body).not.toHaveTextContent("Cannot read properties");
  expect(screen.getByRole("link", { name: "Go to search" })).toBeVisible();
  expect(console.mock.calls.flat().some((said) => String(said).includes("Cannot read properties"))).toBe(true);
  console.mockRestore();
});
