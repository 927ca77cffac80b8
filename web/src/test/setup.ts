import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest";
import { session } from "@/api/session";
import { dismissAll } from "@/ui/toast";
import { server } from "./server";

// Machines that run tests are busy; a test that passes never waits this long.
configure({ asyncUtilTimeout: 6000 });

// jsdom draws nothing: these exist only so that the pages may call them.
window.scrollTo = () => undefined;
window.scrollBy = () => undefined;
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

beforeAll(() => server.listen({ onUnhandledRequest: "error" }));
// After listen: the interceptor would put its own in this place. Each time, for a test may put another (`socketWith`).
beforeEach(() => {
  vi.stubGlobal("WebSocket", NoSocket);
});
afterEach(() => {
  cleanup();
  server.resetHandlers();
  sessionStorage.clear();
  localStorage.clear();
  session.forget();
  dismissAll();
});
afterAll(() => server.close());
