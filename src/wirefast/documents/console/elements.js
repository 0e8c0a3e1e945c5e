/** Elements of the page, made without HTML texts: nothing of a document or a message is ever parsed as HTML. */

/** Make an element. Properties that begin with "on" are listeners; `data-`, `aria-` and others are attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

let count = 0;

/** A field with its label. */
export function labelled(text, field, hint) {
  field.id ||= `field-${++count}`;
  const label = h("label", { for: field.id }, text);
  if (!hint) return h("div", { class: "field" }, label, field);
  const help = h("small", { id: `${field.id}-hint` }, hint);
  field.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, label, field, help);
}

/** A button that copies what a function gives, and says so. */
export function copying(text, give) {
  const button = h("button", { type: "button" }, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(give());
      announce("Copied");
      button.textContent = "Copied";
    } catch {
      announce("The browser does not allow to copy; select the text");
    }
    setTimeout(() => (button.textContent = text), 1500);
  });
  return button;
}

/** Tell a screen reader, and whoever looks at the foot of the page. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}
