/** Puts the mock behind Vite's dev and preview servers: same origin, real HTTP, a real WebSocket, one world per browser. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getResponse, type HttpHandler } from "msw";
import type { Connect, Plugin } from "vite";
import { WebSocketServer } from "ws";
import { type Db, type Scenario, tick } from "./db.ts";
import { createHandlers } from "./handlers/index.ts";
import { briefOut } from "./handlers/jobs.ts";
import { seed } from "./seed.ts";

type World = { db: Db; handlers: HttpHandler[]; sockets: Set<{ send: (text: string) => void }> };

const SCENARIOS: Scenario[] = ["full", "empty", "fresh", "out", "failing", "loading"];
const worlds = new Map<string, World>();

/** The cookie `mock=<scenario>.<anything>` chooses the world. */
function worldOf(request: IncomingMessage): World {
  const name = /(?:^|; )mock=([\w.-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "full";
  const known = worlds.get(name);
  if (known) return known;
  const scenario = SCENARIOS.find((s) => s === name.split(".")[0]) ?? "full";
  const db = seed(scenario);
  const world: World = { db, handlers: createHandlers(db), sockets: new Set() };
  db.publish = (message) => {
    for (const socket of world.sockets) socket.send(JSON.stringify(message));
  };
  worlds.set(name, world);
  return world;
}

async function body(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (request.method === "GET" || request.method === "HEAD") return undefined;
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}

async function answer(request: IncomingMessage, response: ServerResponse) {
  const { handlers } = worldOf(request);
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value && !name.startsWith(":")) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  const given = new Request(`http://${request.headers.host}${request.url}`, {
    method: request.method ?? "GET",
    headers,
    body: await body(request),
  });
  const found = await getResponse(handlers, given);
  response.statusCode = found?.status ?? 404;
  found?.headers.forEach((value, name) => {
    response.setHeader(name, value);
  });
  response.end(found ? Buffer.from(await found.arrayBuffer()) : "");
}

function attach(middlewares: Connect.Server, server: Server | null) {
  middlewares.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    if (!/^\/(api\/|readyz$)/.test(request.url ?? "")) return next();
    answer(request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "semantik" });
  server?.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url !== "/ws/jobs") return;
    sockets.handleUpgrade(request, socket, head, (client) => {
      const world = worldOf(request);
      world.sockets.add(client);
      client.on("close", () => world.sockets.delete(client));
      client.on("message", (data) => {
        if (String(data).includes("ping")) client.send(JSON.stringify({ type: "pong" }));
      });
      const jobs = world.db.jobs.slice(0, 50).map(briefOut);
      client.send(JSON.stringify({ type: "snapshot", jobs }));
    });
  });
  const timer = setInterval(() => {
    for (const { db } of worlds.values()) tick(db);
  }, 500);
  timer.unref();
}

export function mockApi(): Plugin {
  return {
    name: "semantik-mock-api",
    configureServer: (server) => attach(server.middlewares, server.httpServer as Server | null),
    configurePreviewServer: (server) => attach(server.middlewares, server.httpServer as Server),
  };
}
