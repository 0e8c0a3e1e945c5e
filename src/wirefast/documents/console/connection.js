/** One connection and its transcript. */
import { announce, h } from "./elements.js";

/** Close codes in words (RFC 6455, section 7.4.1, and those that wirefast documents). */
const CODES = {
  1000: "normal end",
  1001: "the other side goes away",
  1002: "protocol error",
  1003: "this kind of data is not taken",
  1005: "closed without a code",
  1006: "the connection broke",
  1007: "invalid data",
  1008: "not allowed",
  1009: "message too large",
  1010: "an extension is missing",
  1011: "the server failed",
  1012: "the server restarts: come back later",
  1013: "the server is busy: come back later",
  1014: "bad gateway",
  1015: "TLS failed",
  4401: "the token is missing or has expired",
  4403: "not allowed",
  4408: "no message came in time",
  4409: "another socket took its place",
};
/** Lines that a transcript keeps. */
const LINES = 500;

export class Connection {
  /**
   * @param {string} url of the socket
   * @param {string[]} protocols that are offered
   * @param {{first?: string, shown: string, tag: string, document: string, changed: () => void}} options
   */
  constructor(url, protocols, options) {
    this.options = options;
    this.opened = false;
    this.lines = h("ol", { class: "transcript", "aria-label": `Transcript of ${options.shown}`, tabindex: "0" });
    this.sent = new Map(); // the line of each message that has a ref
    this.note(`connecting to ${options.shown}`);
    this.socket = new WebSocket(url, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.open();
    this.socket.onmessage = (event) => this.hear(event.data);
    this.socket.onclose = (event) => this.close(event);
  }

  get state() {
    return ["connecting", "open", "closing", "closed"][this.socket.readyState];
  }

  send(text) {
    this.socket.send(text);
    const line = this.line("sent", text, size(text));
    const ref = parsed(text)?.ref;
    if (ref !== undefined) this.sent.set(JSON.stringify(ref), line);
  }

  end() {
    this.socket.close(1000);
    this.options.changed();
  }

  open() {
    this.opened = true;
    const chosen = this.socket.protocol ? `, subprotocol ${this.socket.protocol}` : "";
    this.note(`open${chosen}`);
    if (this.options.first) {
      this.socket.send(this.options.first);
      this.note("the token was sent as the first message");
    }
    this.options.changed();
  }

  hear(data) {
    const binary = data instanceof ArrayBuffer;
    const shown = binary
      ? `${[...new Uint8Array(data).slice(0, 64)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`
      : data;
    const message = binary ? undefined : parsed(data);
    const failed = message?.[this.options.tag || "type"] === "error";
    const asked = message?.ref === undefined ? undefined : this.sent.get(JSON.stringify(message.ref));
    const line = this.line(failed ? "error" : "heard", shown, binary ? data.byteLength : size(data), asked);
    if (failed) announce(`Error: ${message.code}`);
    if (asked) line.dataset.ref = JSON.stringify(message.ref);
  }

  async close(event) {
    if (!this.opened) {
      this.note(await refusal(this.options.document), "error");
    } else {
      const word = CODES[event.code] ?? (event.code >= 4000 ? "a code of the application" : "");
      this.note(
        `closed: ${event.code}${word ? `, ${word}` : ""}${event.reason ? `: ${event.reason}` : ""}`,
        event.code === 1000 ? "note" : "error",
      );
    }
    announce(this.lines.lastElementChild.textContent);
    this.options.changed();
  }

  note(text, kind = "note") {
    this.line(kind, text);
  }

  line(kind, text, bytes, below) {
    const names = { sent: "→ sent", heard: "← received", error: "! error", note: "·" };
    const now = new Date();
    const time = h(
      "time",
      { datetime: now.toISOString() },
      now.toTimeString().slice(0, 8) + "." + String(now.getMilliseconds()).padStart(3, "0"),
    );
    const line = h(
      "li",
      { class: `${kind}${below ? " answer" : ""}` },
      h("span", { class: "meta" }, h("strong", {}, names[kind]), " ", time, bytes === undefined ? "" : ` ${bytes} B`),
      h("code", {}, text),
    );
    if (below) {
      // Behind the answers that the message has already.
      let after = below;
      while (after.nextElementSibling?.classList.contains("answer")) after = after.nextElementSibling;
      after.after(line);
    } else this.lines.append(line);
    while (this.lines.childElementCount > LINES) this.lines.firstElementChild.remove();
    this.lines.scrollTop = this.lines.scrollHeight;
    return line;
  }
}

/** Why there is no connection: browsers do not tell, so the server is asked whether it is there at all. */
async function refusal(url) {
  try {
    await fetch(url, { method: "HEAD", cache: "no-store" });
  } catch {
    return "no connection: the server cannot be reached";
  }
  return (
    "the server refused the handshake. Browsers do not tell why: a parameter may be wrong, a token missing, or this page's " +
    'origin not allowed. The server\'s log has the reason; App(explain_rejections="close") tells it here'
  );
}

function size(text) {
  return new TextEncoder().encode(text).length;
}

export function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
