import "@testing-library/jest-dom/vitest";
import { cleanup } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, vi } from "vitest";
import { session } from "@/api/session";
import { server } from "./server";

// jsdom draws nothing: these exist only so that the pages may call them.
window.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;
HTMLDialogElement.prototype.showModal = function show() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
  this.dispatchEvent(new Event("close"));
};
class NoSocket {
  onclose: (() => void) | null = null;
  send() {}
  close() {}
}
vi.stubGlobal("WebSocket", NoSocket);

beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
afterEach(() => {
  cleanup();
  server.resetHandlers();
  sessionStorage.clear();
  localStorage.clear();
  session.forget();
});
afterAll(() => server.close());
