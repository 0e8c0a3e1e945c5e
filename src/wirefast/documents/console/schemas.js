/** JSON Schemas (draft 7): what they say in words, a value that fits, and whether a value fits. */

let root = {};

/** Set the document that references lead into. */
export function within(document) {
  root = document;
}

/** What a reference leads to, the schema itself if it is none. */
export function resolve(schema, depth = 0) {
  if (!schema || typeof schema !== "object" || typeof schema.$ref !== "string" || depth > 20) return schema ?? {};
  let value = root;
  for (const part of schema.$ref.replace(/^#\//, "").split("/")) {
    value = value?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return resolve(value, depth + 1);
}

/** The type in a few words. */
export function words(schema) {
  if (schema?.$ref) return schema.$ref.split("/").pop();
  const found = resolve(schema);
  if (found === true || found === false || !Object.keys(found).length) return found === false ? "nothing" : "anything";
  if ("const" in found) return JSON.stringify(found.const);
  if (found.enum) return found.enum.map((item) => JSON.stringify(item)).join(" | ");
  const choices = found.anyOf ?? found.oneOf;
  if (choices) return [...new Set(choices.map(words))].join(" | ");
  if (found.allOf) return found.allOf.map(words).join(" & ");
  if (found.type === "array") {
    return Array.isArray(found.items) ? `[${found.items.map(words).join(", ")}]` : `${words(found.items ?? {})}[]`;
  }
  const kind = Array.isArray(found.type) ? found.type.join(" | ") : (found.type ?? "anything");
  return found.format ? `${kind} (${found.format})` : kind;
}

/** The bounds in words. */
export function bounds(schema) {
  const names = {
    minimum: "≥",
    exclusiveMinimum: ">",
    maximum: "≤",
    exclusiveMaximum: "<",
    minLength: "length ≥",
    maxLength: "length ≤",
    minItems: "items ≥",
    maxItems: "items ≤",
    pattern: "matches",
  };
  const found = resolve(schema);
  return Object.keys(names)
    .filter((key) => found[key] !== undefined)
    .map((key) => `${names[key]} ${found[key]}`)
    .join(", ");
}

/** Text of each format, for templates. */
const FORMATS = {
  "date-time": "2026-01-31T12:00:00Z",
  date: "2026-01-31",
  time: "12:00:00",
  duration: "PT1M",
  uuid: "00000000-0000-4000-8000-000000000000",
  uri: "https://example.org/",
  email: "somebody@example.org",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
};

/** A value that fits, as far as that is simple: examples, defaults, constants, then something of the type. */
export function example(schema, depth = 0) {
  const found = resolve(schema);
  if (found.examples?.length) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if ("const" in found) return found.const;
  if (found.enum) return found.enum[0];
  if (found.allOf) return Object.assign({}, ...found.allOf.map((item) => example(item, depth)));
  const choice = (found.anyOf ?? found.oneOf)?.[0];
  if (choice) return example(choice, depth);
  const kind = Array.isArray(found.type) ? found.type[0] : found.type;
  if (kind === "object" || found.properties) {
    // Below the message only what is needed, and what tells the types of a union apart.
    const tells = (member) => "const" in member || member.enum !== undefined;
    const names = Object.keys(found.properties ?? {}).filter(
      (name) => depth < 1 || found.required?.includes(name) || tells(resolve(found.properties[name])),
    );
    if (depth > 5) return {};
    return Object.fromEntries(
      names.filter((name) => name !== "ref").map((name) => [name, example(found.properties[name], depth + 1)]),
    );
  }
  if (kind === "array") {
    if (Array.isArray(found.items)) return found.items.map((item) => example(item, depth + 1));
    return Array.from({ length: Math.min(found.minItems ?? 0, 3) }, () => example(found.items ?? {}, depth + 1));
  }
  if (kind === "integer" || kind === "number") return Math.max(found.minimum ?? 0, (found.exclusiveMinimum ?? -1) + 1);
  if (kind === "boolean") return false;
  if (kind === "string" && FORMATS[found.format]) return FORMATS[found.format];
  if (kind === "string") return "text".padEnd(found.minLength ?? 0, ".").slice(0, found.maxLength ?? 4);
  return null;
}

const KINDS = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: Array.isArray,
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
};

/** What is wrong with a value, in words with the way to it; nothing for a value that fits. */
export function problems(value, schema, way = "") {
  const found = resolve(schema);
  const where = way || "the message";
  if (found === false) return [`${where} must not be there`];
  if (found === true) return [];
  const choices = found.anyOf ?? found.oneOf;
  if (choices && !choices.some((item) => !problems(value, item, way).length)) {
    return choices.length === 1
      ? problems(value, choices[0], way)
      : [`${where} is none of: ${choices.map(words).join(", ")}`];
  }
  const wrong = (found.allOf ?? []).flatMap((item) => problems(value, item, way));
  if ("const" in found && JSON.stringify(value) !== JSON.stringify(found.const))
    wrong.push(`${where} must be ${JSON.stringify(found.const)}`);
  if (found.enum && !found.enum.some((item) => JSON.stringify(item) === JSON.stringify(value)))
    wrong.push(`${where} must be one of ${found.enum.map((item) => JSON.stringify(item)).join(", ")}`);
  const kinds = found.type === undefined ? [] : [found.type].flat();
  if (kinds.length && !kinds.some((kind) => KINDS[kind]?.(value)))
    return [...wrong, `${where} must be ${kinds.join(" or ")}`];
  if (typeof value === "string") wrong.push(...text(value, found, where));
  if (typeof value === "number") wrong.push(...number(value, found, where));
  if (Array.isArray(value)) {
    if (value.length < (found.minItems ?? 0)) wrong.push(`${where} has fewer than ${found.minItems} items`);
    if (value.length > (found.maxItems ?? Infinity)) wrong.push(`${where} has more than ${found.maxItems} items`);
    value.forEach((item, index) => {
      const own = Array.isArray(found.items) ? (found.items[index] ?? found.additionalItems) : found.items;
      if (own !== undefined) wrong.push(...problems(item, own, `${way}[${index}]`));
    });
  } else if (KINDS.object(value)) {
    const members = found.properties ?? {};
    for (const name of found.required ?? [])
      if (!(name in value)) wrong.push(`${way ? `${way}.` : ""}${name} is missing`);
    for (const [name, item] of Object.entries(value)) {
      const own = Object.hasOwn(members, name) ? members[name] : found.additionalProperties;
      if (own === undefined || name === "ref") continue;
      wrong.push(
        ...(own === false
          ? [`${way ? `${way}.` : ""}${name} is not known`]
          : problems(item, own, way ? `${way}.${name}` : name)),
      );
    }
  }
  return wrong;
}

function text(value, schema, where) {
  const length = [...value].length;
  const wrong = [];
  if (length < (schema.minLength ?? 0)) wrong.push(`${where} has fewer than ${schema.minLength} characters`);
  if (length > (schema.maxLength ?? Infinity)) wrong.push(`${where} has more than ${schema.maxLength} characters`);
  try {
    if (schema.pattern && !new RegExp(schema.pattern, "u").test(value))
      wrong.push(`${where} does not match ${schema.pattern}`);
  } catch {
    // an expression of Python's that JavaScript does not know: the server checks
  }
  return wrong;
}

function number(value, schema, where) {
  const wrong = [];
  if (value < schema.minimum || value <= schema.exclusiveMinimum) wrong.push(`${where} is too small`);
  if (value > schema.maximum || value >= schema.exclusiveMaximum) wrong.push(`${where} is too large`);
  return wrong;
}
