// Draws /openapi.json as a page, and sends requests from it. No library, nothing from elsewhere.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function resolved(api, schema) {
  if (schema && schema.$ref) return schema.$ref.split("/").slice(1).reduce((at, key) => at[key], api);
  return schema || {};
}

// A value that fits the schema: its example, its default, or the plainest thing of its type.
function sample(api, given, depth = 0) {
  const schema = resolved(api, given);
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const any = schema.anyOf || schema.oneOf || schema.allOf;
  if (any) return sample(api, any[0], depth);
  if (depth > 6) return null;
  switch (schema.type) {
    case "object": {
      const made = {};
      for (const [name, property] of Object.entries(schema.properties || {})) made[name] = sample(api, property, depth + 1);
      return made;
    }
    case "array": return schema.items ? [sample(api, schema.items, depth + 1)] : [];
    case "integer": case "number": return schema.minimum || 0;
    case "boolean": return false;
    case "null": return null;
    default: return schema.format === "date-time" ? "2026-01-01T00:00:00Z" : "text";
  }
}

function typeOf(api, given) {
  if (!given) return "";
  if (given.$ref) return given.$ref.split("/").pop();
  const any = given.anyOf || given.oneOf;
  if (any) return any.map((one) => typeOf(api, one)).join(" | ");
  if (given.enum) return given.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (given.type === "array") return `${typeOf(api, given.items)}[]`;
  return given.type || "any";
}

function table(head, rows) {
  if (!rows.length) return null;
  return element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {}, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))))));
}

function bodyOf(api, operation) {
  const content = (operation.requestBody || {}).content || {};
  const type = Object.keys(content)[0];
  return type ? { type, schema: content[type].schema } : null;
}

function sender(api, method, path, operation) {
  const inputs = {};
  const parameters = (operation.parameters || []).filter((one) => one.in !== "header" && one.in !== "cookie");
  const fields = parameters.map((one) => {
    inputs[one.name] = element("input", { "aria-label": one.name, placeholder: typeOf(api, one.schema) });
    return element("label", {}, `${one.name}${one.required ? " *" : ""}`, inputs[one.name]);
  });
  const body = bodyOf(api, operation);
  if (body && body.type !== "application/json") return element("p", {}, `Body: ${body.type}`);
  const text = body ? element("textarea", { "aria-label": "JSON body", spellcheck: "false" }) : null;
  if (text) text.value = JSON.stringify(sample(api, body.schema), null, 2);
  const output = element("pre", { hidden: "" });
  const send = async (event) => {
    event.preventDefault();
    let address = path;
    const query = new URLSearchParams();
    for (const one of parameters) {
      const value = inputs[one.name].value;
      if (one.in === "path") address = address.replace(`{${one.name}}`, encodeURIComponent(value));
      else if (value !== "") query.append(one.name, value);
    }
    if ([...query].length) address += `?${query}`;
    const headers = { "X-Requested-With": "semantik" };
    if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
    if (text) headers["Content-Type"] = "application/json";
    output.hidden = false;
    output.textContent = "…";
    try {
      const answer = await fetch(address, { method: method.toUpperCase(), headers, body: text ? text.value : undefined });
      const said = await answer.text();
      let shown = said.slice(0, 100000);
      try { shown = JSON.stringify(JSON.parse(said), null, 2); } catch { /* shown as it came */ }
      output.textContent = `${answer.status} ${answer.headers.get("content-type") || ""}\n\n${shown}`;
    } catch (failure) {
      output.textContent = String(failure);
    }
  };
  return element("form", { onsubmit: send }, ...fields, text, element("button", { type: "submit" }, "Send"), output);
}

function fill(api, method, path, operation, into) {
  const body = bodyOf(api, operation);
  const answers = Object.entries(operation.responses || {}).map(([status, given]) => {
    const answer = resolved(api, given);
    const content = Object.values(answer.content || {})[0];
    return [status, answer.description || "", content ? typeOf(api, content.schema) : ""];
  });
  const parameters = (operation.parameters || []).map((one) =>
    [`${one.name}${one.required ? " *" : ""}`, one.in, typeOf(api, one.schema), one.description || ""]);
  into.append(...[
    operation.description ? element("p", {}, operation.description) : null,
    table(["Parameter", "In", "Type", ""], parameters),
    body ? element("h3", {}, `Body: ${typeOf(api, body.schema) || body.type}`) : null,
    element("h3", {}, "Answers"),
    table(["Status", "", "Type"], answers),
    element("h3", {}, "Try it"),
    sender(api, method, path, operation),
  ].filter((one) => one !== null));
}

function draw(api) {
  $("about").textContent = `${api.info.title} ${api.info.version}. ${api.info.summary || ""}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([method, path, item[method]]);
    }
  }
  for (const [tag, operations] of groups) {
    const section = element("section", {}, element("h2", {}, tag));
    for (const [method, path, operation] of operations) {
      const inside = element("div");
      const row = element("details", { id: operation.operationId || `${method}${path}` },
        element("summary", {},
          element("span", { class: "method" }, method.toUpperCase()), element("span", { class: "path" }, path), " ",
          element("span", { class: "summary" }, operation.summary || "")), inside);
      row.addEventListener("toggle", () => { if (row.open && !inside.childNodes.length) fill(api, method, path, operation, inside); });
      row.dataset.text = `${method} ${path} ${operation.summary || ""} ${tag}`.toLowerCase();
      section.append(row);
    }
    $("operations").append(section);
  }
}

$("tools").addEventListener("submit", (event) => event.preventDefault());
$("filter").addEventListener("input", () => {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll("details")) row.hidden = !words.every((word) => row.dataset.text.includes(word));
  for (const section of document.querySelectorAll("main section")) section.hidden = !section.querySelector("details:not([hidden])");
});

fetch("/openapi.json").then((answer) => answer.json()).then(draw).catch((failure) => {
  $("about").textContent = `The description could not be loaded: ${failure}`;
});
