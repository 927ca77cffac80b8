/** The app and its mock against the committed contract of the API. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { describe, expect, it } from "vitest";
import { DEFAULT_CHUNKING } from "../src/features/collections/values";
import { stretches } from "../src/lib/reading";
import { createHandlers } from "./handlers/index.ts";
import { seed } from "./seed.ts";

const snapshot = new URL("../../tests/snapshots/openapi.json", import.meta.url);
const generated = fileURLToPath(new URL("../src/api/generated/schema.d.ts", import.meta.url));

type Contract = {
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, { properties?: Record<string, { default?: unknown }> }> };
};

describe.skipIf(!existsSync(snapshot))("the contract (tests/snapshots/openapi.json)", () => {
  const contract = JSON.parse(readFileSync(snapshot, "utf8")) as Contract;

  it("is what the types were generated from; if not, run npm run generate", async () => {
    const fresh = COMMENT_HEADER + astToString(await openapiTS(snapshot));
    expect(readFileSync(generated, "utf8")).toBe(fresh);
  }, 60_000);

  it("has the defaults that the form for a collection shows", () => {
    const { properties = {} } = contract.components.schemas.Chunking ?? {};
    const defaults = Object.fromEntries(Object.entries(properties).map(([name, { default: value }]) => [name, value]));
    expect(DEFAULT_CHUNKING).toEqual(defaults);
  });

  it("holds every route that the mock answers", () => {
    const known = new Set(
      Object.entries(contract.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, ":id")}`),
      ),
    );
    const mocked = createHandlers(seed("empty")).map(
      ({ info }) => `${String(info.method)} ${String(info.path).replace("*", "").replace(/:\w+/g, ":id")}`,
    );
    expect(mocked.filter((route) => !known.has(route))).toEqual([]);
  });
});

const cases = new URL("../../tests/snapshots/reading.json", import.meta.url);

describe.skipIf(!existsSync(cases))("passages in Markdown (tests/snapshots/reading.json)", () => {
  it("are shown as on a terminal, wherever they are marked", () => {
    for (const { media_type, text, shown } of JSON.parse(readFileSync(cases, "utf8")) as {
      media_type: string | null;
      text: string;
      shown: string;
    }[]) {
      const everyThird = [...text].flatMap((_, at) => (at % 3 ? [] : [{ start: at, end: at + 1 }]));
      for (const spans of [[], everyThird, [{ start: 0, end: 9999 }]])
        expect(
          stretches(text, media_type, spans)
            .map((one) => one.text)
            .join(""),
        ).toBe(shown);
    }
  });
});
