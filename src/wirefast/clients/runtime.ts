/** One socket, which connects again when its connection is lost. */
export class Socket<A extends Address> implements AsyncIterable<Heard<A>> {
  private readonly spec: ChannelSpec;
  private readonly options: Options<A>;
  private socket: SocketLike | undefined;
  private change: StateChange = { state: "connecting" };
  private readonly listeners = new Map<string, Set<(value: any) => void>>();
  private readonly waiting: Waiting[] = [];
  private readonly pending = new Map<number, Pending>();
  private readonly readers = new Set<Reader>();
  private failed: ConnectionLost | undefined;
  private refs = 0;
  private attempts = 0;
  private refusals = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ended: Promise<void>;
  private end!: () => void;

  constructor(
    readonly address: A,
    options: Options<A>,
  ) {
    this.spec = CHANNELS[address];
    this.options = options;
    this.ended = new Promise((resolve) => (this.end = resolve));
    const signal = options.signal;
    signal?.addEventListener("abort", this.abort, { once: true });
    if (signal?.aborted) this.abort();
    else if (this.implementation()) void this.open();
    else this.change = { state: "waiting" }; // a server that renders pages has no WebSocket
  }

  /** The state of the socket. */
  get state(): State {
    return this.change.state;
  }

  /**
   * Call a function for each event of a kind: a tag, for each message of that tag; `"message"`, for each message;
   * `"state"`, for each change of the state; `"dropped"`, for each dropped message. Returns a function that removes the
   * listener.
   */
  on(event: "state", listener: (change: StateChange) => void): () => void;
  on(event: "dropped", listener: (dropped: Dropped) => void): () => void;
  on(event: "message", listener: (message: Heard<A>) => void): () => void;
  on<T extends Tags<A>>(tag: T, listener: (message: WithTag<A, Heard<A>, T>) => void): () => void;
  on(event: string | number, listener: (value: any) => void): () => void {
    const key = String(event);
    const found = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, found.add(listener));
    return () => void found.delete(listener);
  }

  /** Send a message, or keep it until there is a connection. */
  send(message: Plain<Sent<A>>): "sent" | "queued" | "dropped" {
    return this.put({ message });
  }

  /**
   * Send a message and wait for its answer.
   *
   * Rejects with a `ReplyError` for an error of the server, a `TimeoutError`, a `ConnectionLost` if the connection was
   * lost after the message was sent, or the reason of the signal.
   */
  request<M extends Plain<Sent<A>>>(
    message: M,
    options: { timeout?: number; signal?: AbortSignal } = {},
  ): Promise<Answer<A, M>> {
    const { signal, timeout = this.options.timeout ?? 10_000 } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const ref = ++this.refs;
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        this.pending.delete(ref);
        const index = this.waiting.findIndex((item) => item.ref === ref);
        if (index >= 0) this.waiting.splice(index, 1);
      };
      const fail = (error: unknown): void => {
        done();
        reject(error);
      };
      const aborted = (): void => fail(signal?.reason);
      const timer = setTimeout(() => fail(new TimeoutError(`no answer within ${timeout} ms`)), timeout);
      signal?.addEventListener("abort", aborted, { once: true });
      const succeed = (answer: any): void => {
        done();
        resolve(answer);
      };
      this.pending.set(ref, { resolve: succeed, reject: fail, sent: false });
      if (this.put({ message: { ...(message as any), ref }, ref }) === "dropped") {
        const { state, code, reason } = this.change;
        fail(
          state === "closed"
            ? new ConnectionLost("the socket is closed", code, reason)
            : new ConnectionLost("the queue is full"),
        );
      }
    });
  }

  /** Close: send nothing more, and do not connect again. Resolves when the connection has ended. */
  close(code = 1000, reason = ""): Promise<void> {
    if (this.state !== "closed") {
      const socket = this.socket;
      this.finish(code, reason);
      if (socket && socket.readyState < 2) {
        socket.onopen = socket.onmessage = null;
        socket.onclose = () => this.end();
        socket.onerror = () => void setTimeout(this.end, ERROR_TO_CLOSE);
        socket.close(code, reason);
      } else this.end();
    }
    return this.ended;
  }

  /** The messages from now on, until the socket is closed. Rejects if the server has closed it permanently. */
  [Symbol.asyncIterator](): AsyncIterator<Heard<A>> {
    const reader = new Reader((message) => this.emit("dropped", { message, why: "unread" }));
    if (this.state === "closed") reader.finish(this.failed);
    this.readers.add(reader);
    return {
      next: () => reader.next(),
      return: async () => {
        this.readers.delete(reader);
        return { done: true, value: undefined };
      },
    };
  }

  private readonly abort = (): void => void this.close(1000, "aborted");

  private implementation(): Options<A>["WebSocket"] {
    return this.options.WebSocket ?? (globalThis as any).WebSocket;
  }

  private emit(event: string, value: unknown): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // The error of a listener is reported as an uncaught error, and the other listeners are called.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  private set(change: StateChange): void {
    this.change = change;
    this.emit("state", change);
  }

  private put(item: Waiting): "sent" | "queued" | "dropped" {
    if (this.state === "closed") return this.drop(item, "closed");
    if (this.state === "open" && this.socket?.readyState === 1) {
      this.write(this.socket, item);
      return "sent";
    }
    if (this.waiting.length >= (this.options.queue ?? 100)) return this.drop(item, "queue full");
    this.waiting.push(item);
    return "queued";
  }

  private drop(item: Waiting, why: Dropped["why"]): "dropped" {
    this.emit("dropped", { message: item.message, why });
    return "dropped";
  }

  private write(socket: SocketLike, item: Waiting): void {
    const { message } = item;
    const raw = message instanceof ArrayBuffer || ArrayBuffer.isView(message) || message instanceof Blob;
    socket.send(raw || (typeof message === "string" && this.spec.text) ? message : JSON.stringify(message));
    const pending = item.ref === undefined ? undefined : this.pending.get(item.ref);
    if (pending) pending.sent = true;
  }

  private async open(): Promise<void> {
    this.set({ state: "connecting" });
    let socket: SocketLike;
    try {
      const start = await this.prepare();
      if (this.state === "closed") return;
      socket = start(); // its listeners are set below, before any event can come
    } catch (error) {
      if (error instanceof TypeError || error instanceof SyntaxError) return this.fail(error);
      return this.lost(1006, `no token: ${String(error)}`);
    }
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    let opened = 0;
    const { timeout = 10_000, stable = 5_000 } = this.options.retry ?? {};
    this.timer = setTimeout(() => ended(1006, "no connection in time"), timeout);
    const ended = (code: number, reason: string): void => {
      if (this.socket !== socket) return;
      clearTimeout(this.timer);
      socket.onopen = socket.onmessage = socket.onclose = null;
      if (socket.readyState < 2) socket.close();
      this.socket = undefined;
      if (opened && Date.now() - opened >= stable) this.attempts = this.refusals = 0;
      this.lost(code, reason);
    };
    socket.onopen = () => {
      clearTimeout(this.timer);
      opened = Date.now();
      this.set({ state: "open" });
      for (const item of this.waiting.splice(0)) this.put(item);
    };
    socket.onmessage = (event) => this.hear(event.data);
    // A close event with the code follows. In Node 20 it does not follow if no connection was made.
    socket.onerror = () => void setTimeout(() => ended(1006, "the connection failed"), opened ? ERROR_TO_CLOSE : 0);
    socket.onclose = (event) => ended(event.code ?? 1006, event.reason ?? "");
  }

  /** Get the token. Return a function that begins a connection. */
  private async prepare(): Promise<() => SocketLike> {
    const { token, protocols = [], tokenIn = this.spec.token } = this.options;
    const value = typeof token === "function" ? await token() : token;
    const url = this.url();
    const offered = [...protocols];
    let headers: Record<string, string> | undefined;
    let first: string | undefined;
    if (value !== undefined) {
      // A server never selects the token's subprotocol, and a browser needs a selected one if it offers any.
      if (tokenIn === "subprotocol")
        offered.push(...(offered.length ? [] : ["wirefast"]), `bearer.${base64url(value)}`);
      else if (tokenIn === "message") first = JSON.stringify({ type: "auth", token: value });
      else if (tokenIn === "header") headers = { Authorization: `Bearer ${value}` };
      else url.searchParams.set(tokenIn.query, value);
    }
    const Implementation = this.implementation()!;
    const own = this.options.WebSocket !== undefined;
    const inNode = (globalThis as any).process?.versions?.node !== undefined;
    if (headers && !own && !inNode) throw new TypeError("browsers cannot send a token in a header; see tokenIn");
    return () => {
      const socket =
        headers && !own
          ? new Implementation(url.href, { protocols: offered, headers })
          : new Implementation(url.href, offered, { headers });
      if (first !== undefined) {
        const open = () => socket.send(first);
        (socket as any).addEventListener("open", open);
      }
      return socket;
    };
  }

  private url(): URL {
    const page = (globalThis as any).location?.href;
    const base = this.options.url ?? page;
    if (base === undefined) throw new TypeError("there is no page here, so the option url is needed");
    const url = new URL(this.options.url === undefined ? "/" : String(base), page);
    url.protocol = url.protocol.replace("http", "ws");
    const params = (this.options.params ?? {}) as Record<string, unknown>;
    const path = String(this.address).replace(/\{(\w+)\}/g, (_, name: string) => {
      if (params[name] === undefined) throw new TypeError(`the parameter ${name} is missing`);
      const text = encodeURIComponent(String(params[name]));
      return this.spec.slashes?.includes(name) ? text.replace(/%2F/g, "/") : text;
    });
    url.pathname = url.pathname.replace(/\/$/, "") + path;
    for (const [name, value] of Object.entries(this.options.query ?? {})) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item !== undefined && item !== null) url.searchParams.append(name, String(item));
      }
    }
    return url;
  }

  private hear(data: unknown): void {
    let message: any = data;
    if (typeof data === "string" && !this.spec.raw) {
      try {
        message = JSON.parse(data);
      } catch {
        // plain text, which this socket sends besides JSON
      }
    }
    const isObject = typeof message === "object" && message !== null && !(message instanceof ArrayBuffer);
    const pending = isObject ? this.pending.get(message.ref) : undefined;
    const tag = isObject ? message[this.spec.tag || "type"] : undefined;
    if (pending) {
      if (tag === "error") pending.reject(new ReplyError(message));
      else pending.resolve(message);
      return;
    }
    for (const reader of this.readers) reader.push(message);
    this.emit("message", message);
    if (tag !== undefined && !["message", "state", "dropped"].includes(String(tag))) this.emit(String(tag), message);
  }

  /** Connect again after the end of a connection or a failed attempt. Requests that were sent have failed. */
  private lost(code: number, reason: string): void {
    if (this.state === "closed") return;
    const error = new ConnectionLost("the connection was lost before the answer", code, reason);
    for (const pending of [...this.pending.values()]) if (pending.sent) pending.reject(error);
    const delay = this.delayAfter(code, reason);
    if (delay === undefined) return this.finish(code, reason, error);
    this.attempts += 1;
    this.set({ state: "waiting", code, reason, delay });
    this.timer = setTimeout(() => void this.open(), delay);
  }

  /** The milliseconds until the next attempt; undefined for no other attempt. */
  private delayAfter(code: number, reason: string): number | undefined {
    const { base = 250, max = 30_000, attempts = Infinity } = this.options.retry ?? {};
    const jitter = Math.random() * Math.min(max, base * 2 ** Math.min(this.attempts, 30));
    const hint = /(?:^|[\s;,])retry=(\d{1,9})\b/.exec(reason)?.[1];
    const wish = this.options.reconnect?.(code, reason);
    if (wish === false || (wish === undefined && this.attempts >= attempts)) return undefined;
    if (typeof wish === "number") return wish;
    if (hint !== undefined && (code === 1012 || code === 1013 || LATER.has(code)))
      return Number(hint) + Math.random() * base;
    if (code === 4401 && wish === undefined) {
      this.refusals += 1;
      return typeof this.options.token === "function" && this.refusals <= REFUSALS
        ? this.refusals === 1
          ? 0
          : jitter
        : undefined;
    }
    const never = NEVER.has(code) || (code >= 4400 && code < 4500 && !LATER.has(code));
    return never && wish !== true ? undefined : jitter;
  }

  private fail(error: Error): void {
    this.finish(1006, error.message, new ConnectionLost(error.message));
  }

  private finish(code: number, reason: string, error?: ConnectionLost): void {
    clearTimeout(this.timer);
    this.options.signal?.removeEventListener("abort", this.abort);
    this.socket = undefined;
    this.set({ state: "closed", code, reason });
    const lost = error ?? new ConnectionLost("the socket was closed", code, reason);
    for (const item of this.waiting.splice(0)) this.drop(item, "closed");
    for (const pending of [...this.pending.values()]) pending.reject(lost);
    this.failed = code === 1000 ? undefined : lost;
    for (const reader of this.readers) reader.finish(this.failed);
    if (error) this.end();
  }
}

/** The messages that a `for await` has not read yet. */
class Reader {
  private readonly unread: unknown[] = [];
  private readonly wanted: { resolve(result: IteratorResult<any>): void; reject(error: unknown): void }[] = [];
  private error: unknown;
  private over = false;

  constructor(private readonly dropped: (message: unknown) => void) {}

  push(message: unknown): void {
    const wanted = this.wanted.shift();
    if (wanted) return wanted.resolve({ done: false, value: message });
    if (this.unread.push(message) > UNREAD) this.dropped(this.unread.shift());
  }

  finish(error: unknown): void {
    this.over = true;
    this.error = error;
    for (const wanted of this.wanted.splice(0)) this.settle(wanted);
  }

  next(): Promise<IteratorResult<any>> {
    return new Promise((resolve, reject) => {
      if (this.unread.length) resolve({ done: false, value: this.unread.shift() });
      else if (this.over) this.settle({ resolve, reject });
      else this.wanted.push({ resolve, reject });
    });
  }

  private settle(wanted: { resolve(result: IteratorResult<any>): void; reject(error: unknown): void }): void {
    const error = this.error;
    this.error = undefined; // the error is told once
    if (error) wanted.reject(error);
    else wanted.resolve({ done: true, value: undefined });
  }
}

function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}

/** Connect to a socket by its address. The socket connects at once, and again when its connection is lost. */
export function connect<A extends Address>(
  address: A,
  ...options: {} extends Options<A> ? [options?: Options<A>] : [options: Options<A>]
): Socket<A> {
  return new Socket(address, (options[0] ?? {}) as Options<A>);
}
