/** One socket: what it is, what goes over it, a form to connect, a message to send, and its connections. */
import { Connection, parsed } from "./connection.js";
import { announce, copying, h, labelled } from "./elements.js";
import { bounds, example, problems, resolve, words } from "./schemas.js";
import { snippet } from "./snippets.js";

/** Show a channel. `given` is what a link has filled in. */
export function showChannel(context, name, given = {}) {
  const channel = context.document.channels[name];
  const operations = Object.entries(context.document.operations).filter(
    ([, item]) => item.channel.$ref === `#/channels/${name}`,
  );
  const form = makeForm(context, channel, operations, given);
  const connections = (context.connections[name] ??= []);
  const list = h("div", { class: "connections" });
  let current = connections.at(-1);

  const draw = () => {
    const tabs = connections.map((item, index) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          "aria-selected": String(item === current),
          onclick: () => ((current = item), draw()),
        },
        `${index + 1}: ${item.state}`,
      ),
    );
    const buttons =
      current &&
      h(
        "p",
        { class: "row" },
        h(
          "button",
          { type: "button", disabled: !["open", "connecting"].includes(current.state), onclick: () => current.end() },
          "Disconnect",
        ),
        copying("Copy transcript", () => current.lines.innerText),
        h(
          "button",
          {
            type: "button",
            disabled: current.state !== "closed",
            onclick: () => {
              connections.splice(connections.indexOf(current), 1);
              current = connections.at(-1);
              draw();
            },
          },
          "Remove",
        ),
      );
    list.replaceChildren(
      h("div", { role: "tablist", "aria-label": "Connections", class: "tabs" }, tabs),
      ...(current ? [buttons, current.lines] : [h("p", {}, "Not connected.")]),
    );
    composer.update();
  };
  const composer = makeComposer(channel, operations, given, () => current);

  form.element.addEventListener("submit", (event) => {
    event.preventDefault();
    let target;
    try {
      target = form.target();
      current = new Connection(target.url, target.protocols, {
        first: target.first,
        shown: target.path,
        tag: channel["x-tag"],
        document: context.url,
        changed: draw,
      });
    } catch (error) {
      return announce(`Not connected: ${error.message}`);
    }
    connections.push(current);
    draw();
  });
  const what = () => ({
    ...form.target(true),
    address: channel.address,
    message: composer.text(),
    needsToken: form.needsToken,
  });
  const link = () => {
    const shared = JSON.stringify({ values: form.values(), message: composer.text() });
    return `${location.origin}${location.pathname}#${encodeURIComponent(name)}?${encodeURIComponent(shared)}`;
  };
  const shown = h("pre", { tabindex: "0", "aria-label": "Program" });
  const show = (language) => (shown.textContent = snippet(language, what()));
  const view = h(
    "article",
    {},
    h("h2", {}, channel.title ?? name),
    h("p", {}, h("code", {}, channel.address), channel["x-deprecated"] && h("em", {}, " deprecated")),
    channel.description && h("p", { class: "text" }, channel.description),
    h(
      "section",
      { "aria-label": "Try it" },
      h("h3", {}, "Connect"),
      form.element,
      composer.element,
      list,
      h(
        "details",
        { ontoggle: () => show("javascript") },
        h("summary", {}, "Program"),
        h(
          "p",
          { class: "row" },
          h("button", { type: "button", onclick: () => show("javascript") }, "JavaScript"),
          h("button", { type: "button", onclick: () => show("python") }, "Python"),
          copying("Copy program", () => shown.textContent),
        ),
        shown,
      ),
      h(
        "p",
        {},
        copying("Copy link", link),
        h("small", {}, " The link has the parameters and the message, never the token."),
      ),
    ),
    h(
      "section",
      { "aria-label": "Operations" },
      h("h3", {}, "Messages"),
      operations.map(([key, item]) => describe(key, item)),
    ),
  );
  draw();
  return view;
}

/** The parameters, the token and the subprotocol. */
function makeForm(context, channel, operations, given) {
  const fields = [];
  const add = (place, name, schema, required) => {
    const found = resolve(schema);
    const value = given.values?.[`${place} ${name}`] ?? String(found.default ?? "");
    const field = found.enum
      ? h(
          "select",
          { required },
          (required ? [] : [""])
            .concat(found.enum)
            .map((item) => h("option", { value: String(item), selected: String(item) === value }, String(item))),
        )
      : h("input", { required, value, autocomplete: "off" });
    fields.push({ place, name, field, schema });
    const hint = [found.description, words(schema), bounds(schema)].filter(Boolean).join("; ");
    return labelled(`${name}${required ? " *" : ""}${place === "query" ? " (query)" : ""}`, field, hint);
  };
  const binding = channel.bindings?.ws ?? {};
  const parts = Object.entries(channel.parameters ?? {}).map(([name, item]) =>
    add("path", name, { ...item["x-schema"], description: item.description }, true),
  );
  for (const [name, schema] of Object.entries(binding.query?.properties ?? {}))
    parts.push(add("query", name, schema, binding.query.required?.includes(name)));
  const others = [...Object.keys(binding.headers?.properties ?? {})].filter((name) => name !== "Cookie");
  if (others.length) parts.push(h("p", { class: "hint" }, `Browsers cannot send these headers: ${others.join(", ")}.`));
  if (binding["x-cookies"])
    parts.push(
      h(
        "p",
        { class: "hint" },
        `Cookies that the browser sends by itself: ${Object.keys(binding["x-cookies"].properties).join(", ")}.`,
      ),
    );

  const security = operations.flatMap(([, item]) => item.security ?? []).map(resolve);
  const key = security.find((scheme) => scheme.type === "httpApiKey" && scheme.in === "query");
  const tokenName = key?.name ?? security.find((scheme) => scheme["x-query"])?.["x-query"] ?? "token";
  const sources = security.flatMap((scheme) => scheme["x-sources"] ?? []);
  const token = h("input", { type: "password", autocomplete: "off", spellcheck: "false" });
  const places = [
    ["subprotocol", "as a subprotocol, bearer.…"],
    ["message", "as the first message"],
    ["query", `in the address, as ${tokenName} (servers log it)`],
  ];
  const preferred = key ? "query" : (sources.find((place) => places.some(([name]) => name === place)) ?? "subprotocol");
  const place = h(
    "select",
    {},
    places.map(([name, text]) => h("option", { value: name, selected: name === preferred }, text)),
  );
  const kept = h("input", { type: "checkbox" });
  const stored = sessionStorage.getItem("token");
  if (stored !== null) [token.value, kept.checked] = [stored, true];
  const keep = () => (kept.checked ? sessionStorage.setItem("token", token.value) : sessionStorage.removeItem("token"));
  kept.addEventListener("change", keep);
  token.addEventListener("input", keep);
  const protocol = h("input", { autocomplete: "off", value: given.values?.protocol ?? "" });
  const secret = h(
    "details",
    { open: security.length > 0 },
    h("summary", {}, "Token and subprotocol"),
    h(
      "div",
      { class: "fields" },
      labelled(
        "Token",
        token,
        security
          .map((scheme) => scheme.description ?? scheme.scheme ?? scheme.name)
          .filter(Boolean)
          .join("; "),
      ),
      labelled("Where the token goes", place),
      labelled("Subprotocols, by commas", protocol),
      labelled("Keep the token in this tab until it is closed", kept),
    ),
  );

  const element = h(
    "form",
    { "aria-label": "Connection" },
    h("div", { class: "fields" }, parts),
    secret,
    h("p", {}, h("button", { class: "main" }, "Connect")),
  );
  const target = (withoutToken = false) => {
    let path = channel.address;
    const query = new URLSearchParams();
    for (const { place: where, name, field } of fields) {
      if (where === "path")
        path = path.replace(
          `{${name}}`,
          channel.parameters[name]["x-slashes"] ? encodeURI(field.value) : encodeURIComponent(field.value),
        );
      else if (field.value !== "")
        for (const item of resolve(fields.find((one) => one.field === field).schema).type === "array"
          ? field.value.split(",")
          : [field.value])
          query.append(name, item);
    }
    const protocols = protocol.value
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean);
    const value = withoutToken ? "" : token.value;
    const shown = `${context.root}${path}${query.size ? `?${query}` : ""}`;
    let first;
    // The token is never answered, and a browser wants one of its subprotocols to be.
    if (value && place.value === "subprotocol")
      protocols.push(...(protocols.length ? [] : ["wirefast"]), `bearer.${base64url(value)}`);
    if (value && place.value === "message") first = JSON.stringify({ type: "auth", token: value });
    if (value && place.value === "query") query.set(tokenName, value);
    const whole = `${context.root}${path}${query.size ? `?${query}` : ""}`;
    return {
      url: `${location.protocol.replace("http", "ws")}//${location.host}${whole}`,
      path: shown,
      protocols,
      first,
    };
  };
  const values = () =>
    Object.fromEntries([
      ...fields.map(({ place: where, name, field }) => [`${where} ${name}`, field.value]),
      ["protocol", protocol.value],
    ]);
  return { element, target, values, needsToken: security.length > 0 };
}

/** A message from a template, checked before it is sent. */
function makeComposer(channel, operations, given, connection) {
  const keys = operations
    .filter(([, item]) => item.action === "receive")
    .flatMap(([, item]) => item.messages)
    .map((item) => item.$ref.split("/").pop());
  if (!keys.length)
    return { element: h("p", { class: "hint" }, "This socket takes no messages."), update() {}, text: () => "" };
  const choice = h(
    "select",
    {},
    [...new Set(keys)].map((key) => h("option", { value: key }, channel.messages[key].title ?? key)),
  );
  const area = h("textarea", { rows: "6", spellcheck: "false", required: true });
  const faults = h("ul", { class: "faults", "aria-live": "polite" });
  const anyway = h("input", { type: "checkbox" });
  const button = h("button", { class: "main" }, "Send");
  let ref = 0;
  const message = () => channel.messages[choice.value];
  const isJson = () => message().contentType === "application/json";
  const fill = () => {
    const payload = message().payload ?? {};
    const value = message().examples?.[0]?.payload ?? example(payload);
    area.value = isJson() ? JSON.stringify(value, null, 2) : String(value ?? "");
    check();
  };
  const check = () => {
    const found = [];
    if (isJson()) {
      try {
        found.push(...problems(JSON.parse(area.value), message().payload));
      } catch (error) {
        found.push(`no JSON: ${error.message}`);
      }
    }
    faults.replaceChildren(...found.slice(0, 20).map((text) => h("li", {}, text)));
    area.setAttribute("aria-invalid", String(found.length > 0));
    button.disabled = connection()?.state !== "open" || (found.length > 0 && !anyway.checked);
    return found;
  };
  const compact = () => (parsed(area.value) && isJson() ? JSON.stringify(parsed(area.value)) : area.value);
  const element = h(
    "form",
    { "aria-label": "Message", class: "composer" },
    labelled("Message", choice),
    labelled("Text", area, "Ctrl+Enter sends"),
    faults,
    h(
      "p",
      { class: "row" },
      button,
      labelled("Add a ref", h("input", { type: "checkbox", id: `ref-${Math.random()}`, checked: true, class: "ref" })),
      labelled("Send although it is wrong", anyway),
    ),
  );
  const withRef = element.querySelector(".ref");
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const value = isJson() ? parsed(area.value) : undefined;
    const adds =
      value && !Array.isArray(value) && withRef.checked && message().correlationId && value.ref === undefined;
    connection().send(adds ? JSON.stringify({ ...value, ref: ++ref }) : compact());
  });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.requestSubmit();
  });
  area.addEventListener("input", check);
  anyway.addEventListener("change", check);
  choice.addEventListener("change", fill);
  fill();
  if (given.message) area.value = given.message;
  return { element, update: check, text: compact };
}

/** An operation with its messages and their members. */
function describe(name, operation) {
  const row = (reference) => {
    const message = resolve(reference);
    return h(
      "details",
      {},
      h("summary", {}, h("strong", {}, message.title ?? message.name), " ", h("small", {}, message.summary ?? "")),
      members(message.payload ?? true),
    );
  };
  return h(
    "div",
    { class: "operation" },
    h(
      "h4",
      {},
      operation.title ?? name,
      " ",
      h("small", { class: operation.action }, operation.action === "receive" ? "to the server" : "from the server"),
    ),
    operation.description && h("p", { class: "text" }, operation.description),
    operation.messages.map(row),
    operation.reply && h("div", { class: "reply" }, h("h5", {}, "Answers"), operation.reply.messages.map(row)),
  );
}

function members(schema, depth = 0) {
  const found = resolve(schema);
  if (!found.properties || depth > 6)
    return h("p", {}, h("code", {}, words(schema)), " ", h("small", {}, bounds(schema)));
  return h(
    "dl",
    {},
    Object.entries(found.properties).flatMap(([name, member]) => [
      h("dt", {}, h("code", {}, name), found.required?.includes(name) ? h("span", { title: "required" }, " *") : ""),
      h(
        "dd",
        {},
        h("code", {}, words(member)),
        " ",
        h("small", {}, [bounds(member), resolve(member).description].filter(Boolean).join("; ")),
        resolve(member).properties ? members(member, depth + 1) : "",
      ),
    ]),
  );
}

function base64url(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}
