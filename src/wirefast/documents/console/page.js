/** The page: the document, the list of its sockets, and the one that is shown. */
import { showChannel } from "./channel.js";
import { announce, h } from "./elements.js";
import { within } from "./schemas.js";

const { url, root } = document.body.dataset;
const list = document.getElementById("channels");
const main = document.getElementById("channel");
const filter = document.getElementById("filter");
const context = { url, root, connections: {}, document: undefined };

/** The name of the channel in the address, and what a link has filled in. */
function addressed() {
  const [name, shared] = location.hash.slice(1).split("?");
  try {
    return [decodeURIComponent(name), shared ? JSON.parse(decodeURIComponent(shared)) : {}];
  } catch {
    return [decodeURIComponent(name), {}];
  }
}

function show() {
  const [name, given] = addressed();
  const names = Object.keys(context.document.channels);
  const known = names.includes(name) ? name : names[0];
  if (known === undefined) return main.replaceChildren(h("p", {}, "This application has no sockets."));
  for (const link of list.querySelectorAll("a")) link.setAttribute("aria-current", String(link.dataset.name === known));
  main.replaceChildren(showChannel(context, known, given));
}

function narrow() {
  const wanted = filter.value.toLowerCase();
  let shown = 0;
  for (const item of list.children) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
    shown += item.hidden ? 0 : 1;
  }
  announce(`${shown} sockets`);
}

try {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  context.document = await response.json();
  within(context.document);
  const { info, channels } = context.document;
  document.getElementById("title").textContent = `${info.title} ${info.version}`;
  document.getElementById("description").textContent = info.description ?? "";
  list.replaceChildren(
    ...Object.entries(channels).map(([name, channel]) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: `#${encodeURIComponent(name)}`, "data-name": name },
          h("code", {}, channel.address),
          h("small", {}, channel.title ?? name),
        ),
      ),
    ),
  );
  filter.addEventListener("input", narrow);
  addEventListener("hashchange", show);
  show();
} catch (error) {
  main.replaceChildren(h("p", { role: "alert" }, `The document ${url} cannot be shown: ${error.message}`));
}
