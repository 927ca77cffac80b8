import { setupServer } from "msw/node";

/** Answers nothing by itself: each test puts its world in. */
export const server = setupServer();
