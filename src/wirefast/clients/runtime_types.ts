// The client: one connection for each `connect()`, which comes back by itself.

/** The addresses of the sockets, for `connect()`. */
export type Address = keyof Channels;

/** What the client may send to a socket. */
export type Sent<A extends Address> = Channels[A]["sends"];

/** What the client hears from a socket. */
export type Heard<A extends Address> = Channels[A]["hears"];

type Replies<A extends Address> = Channels[A]["replies"];
type TagOf<A extends Address, M> = M extends { [key in Channels[A]["tag"]]?: infer T } ? T : never;
type Tags<A extends Address> = Extract<TagOf<A, Heard<A>>, string | number>;
type WithTag<A extends Address, M, T> = M extends { [key in Channels[A]["tag"]]?: infer U }
  ? T extends U
    ? M
    : never
  : never;
type Plain<M> = M extends { ref?: unknown } ? Omit<M, "ref"> : M;

/** What a request is answered with: the reply that its handler declares. */
export type Answer<A extends Address, M> =
  TagOf<A, M> extends keyof Replies<A>
    ? Replies<A>[TagOf<A, M>]
    : "" extends keyof Replies<A>
      ? Replies<A>[""]
      : unknown;

/** What a socket does: `waiting` is before the next attempt, `closed` is the end. */
export type State = "connecting" | "open" | "waiting" | "closed";

/** A change of the state. */
export interface StateChange {
  state: State;
  /** The close code (RFC 6455, section 7.4), where a connection has ended; 1006 where it broke. */
  code?: number;
  reason?: string;
  /** Milliseconds until the next attempt, while `waiting`. */
  delay?: number;
}

/** A message that was not sent, or one that came and was thrown away before the application read it. */
export interface Dropped {
  message: unknown;
  why: "queue full" | "closed" | "unread";
}

/** The part of the standard's WebSocket that is used; `ws` of Node has it too. */
export interface SocketLike {
  binaryType: string;
  readyState: number;
  bufferedAmount: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

/** Where a token is put: browsers cannot set headers. */
export type TokenPlace = "subprotocol" | "message" | "header" | { query: string };

export interface Retry {
  /** Milliseconds: attempt n waits at random up to `base * 2 ** n`. Default: 250. */
  base?: number;
  /** The longest wait in milliseconds. Default: 30000. */
  max?: number;
  /** Attempts in a row without a connection, after which it is `closed`. Default: no limit. */
  attempts?: number;
  /** A connection that was open for so many milliseconds makes the waits begin anew. Default: 5000. */
  stable?: number;
  /** Milliseconds that one attempt may take. Default: 10000. */
  timeout?: number;
}

export type Options<A extends Address> = {
  /** Of the server, `ws://`, `wss://`, `http://` or `https://`, with the path in front of the addresses. Default: the page's own server. */
  url?: string | URL;
  /** Called before each connection, so that it can be a fresh token; or the token itself. */
  token?: string | (() => string | Promise<string>);
  /** Default: as the server declares it. */
  tokenIn?: TokenPlace;
  /** Subprotocols that are offered (RFC 6455, section 1.9). */
  protocols?: string[];
  /** Ends the connection when it is aborted. */
  signal?: AbortSignal;
  /** Messages that wait while there is no connection; more are dropped. Default: 100. */
  queue?: number;
  /** Milliseconds that a request waits for its answer. Default: 10000. */
  timeout?: number;
  retry?: Retry;
  /** Whether to come back after a close: true, false, or milliseconds to wait; undefined for the default. */
  reconnect?: (code: number, reason: string) => boolean | number | undefined;
  /** Another implementation. Default: the one of the environment. */
  WebSocket?: new (url: string, protocols?: any, options?: any) => SocketLike;
} & Given<"params", Channels[A]["params"]> &
  Given<"query", Channels[A]["query"]>;

type Given<Name extends string, T> = {} extends T ? { [key in Name]?: T } : { [key in Name]: T };

/** The server's answer to a request was an error. */
export class ReplyError extends Error {
  readonly code: string;
  constructor(readonly reply: ErrorMessage) {
    super(
      reply.message ?? reply.errors?.map((error) => `${error.loc.join(".")}: ${error.msg}`).join("; ") ?? reply.code,
    );
    this.name = "ReplyError";
    this.code = reply.code;
  }
}

/** There was no answer in time. */
export class TimeoutError extends Error {
  override name = "TimeoutError";
}

/** The connection was lost, or closed for good, before there was an answer. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
  constructor(
    message: string,
    readonly code = 1006,
    readonly reason = "",
  ) {
    super(message);
  }
}

interface Pending {
  resolve(message: any): void;
  reject(error: unknown): void;
  sent: boolean;
}

interface Waiting {
  message: unknown;
  ref?: number;
}

/** What the client does after a close: never again, later, or at once with a fresh token. */
const NEVER = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);
const LATER = new Set([4408, 4425, 4429]);
/** Milliseconds after an error within which an open connection tells its close code. */
const ERROR_TO_CLOSE = 1000;
/** Messages that an iterator keeps for a slow reader. */
const UNREAD = 1000;
/** A token that was refused so often in a row is not asked for again. */
const REFUSALS = 3;
