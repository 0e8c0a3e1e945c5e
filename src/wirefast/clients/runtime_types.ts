// The client: one connection for each `connect()`, which is made again when it is lost.

/** The addresses of the sockets, for `connect()`. */
export type Address = keyof Channels;

/** The messages that the client may send to a socket. */
export type Sent<A extends Address> = Channels[A]["sends"];

/** The messages that a socket sends to the client. */
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

/** The answer to a request: the reply that its handler declares. */
export type Answer<A extends Address, M> =
  TagOf<A, M> extends keyof Replies<A>
    ? Replies<A>[TagOf<A, M>]
    : "" extends keyof Replies<A>
      ? Replies<A>[""]
      : unknown;

/** The state of a socket: `waiting` is before the next attempt, `closed` is the end. */
export type State = "connecting" | "open" | "waiting" | "closed";

/** A change of the state. */
export interface StateChange {
  state: State;
  /** The close code (RFC 6455, section 7.4) after the end of a connection; 1006 without a close frame. */
  code?: number;
  reason?: string;
  /** Milliseconds until the next attempt, while `waiting`. */
  delay?: number;
}

/** A message that was not sent, or one that was the oldest of too many unread messages. */
export interface Dropped {
  message: unknown;
  why: "queue full" | "closed" | "unread";
}

/** The part of the standard's WebSocket that the client uses. Node's `ws` has it too. */
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

/** The place of a token. Browsers cannot set headers. */
export type TokenPlace = "subprotocol" | "message" | "header" | { query: string };

export interface Retry {
  /** Milliseconds. Before attempt n the socket waits a random time up to `base * 2 ** n`. Default: 250. */
  base?: number;
  /** The longest wait in milliseconds. Default: 30000. */
  max?: number;
  /** After so many failed attempts in a row the socket is `closed`. Default: no limit. */
  attempts?: number;
  /** After a connection that was open for so many milliseconds, n begins at 0 again. Default: 5000. */
  stable?: number;
  /** Milliseconds that one attempt may take. Default: 10000. */
  timeout?: number;
}

export type Options<A extends Address> = {
  /** The server's URL (`ws://`, `wss://`, `http://` or `https://`), with the path before the addresses. Default: the page's own server. */
  url?: string | URL;
  /** A token, or a function that returns a fresh token before each connection. */
  token?: string | (() => string | Promise<string>);
  /** The place of the token. Default: the place that the server declares. */
  tokenIn?: TokenPlace;
  /** Subprotocols that are offered (RFC 6455, section 1.9). */
  protocols?: string[];
  /** The abort of this signal closes the socket. */
  signal?: AbortSignal;
  /** The most messages that wait while there is no connection. More are dropped. Default: 100. */
  queue?: number;
  /** Milliseconds that a request waits for its answer. Default: 10000. */
  timeout?: number;
  retry?: Retry;
  /** Whether to connect again after a close: true, false, or milliseconds to wait; undefined for the default. */
  reconnect?: (code: number, reason: string) => boolean | number | undefined;
  /** Another implementation of WebSocket. Default: the environment's. */
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

/** The answer did not come in time. */
export class TimeoutError extends Error {
  override name = "TimeoutError";
}

/** The connection was lost, or closed permanently, before the answer. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
  readonly code: number;
  constructor(
    message: string,
    code?: number,
    readonly reason = "",
  ) {
    super(code === undefined ? message : `${message} (${code}${reason && `: ${reason}`})`);
    this.code = code ?? 1006;
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

/** After these close codes the client never connects again, or does so later. */
const NEVER = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);
const LATER = new Set([4408, 4425, 4429]);
/** The milliseconds after an error in which the close event of an open connection has to come. */
const ERROR_TO_CLOSE = 1000;
/** The most unread messages that an iterator keeps. */
const UNREAD = 1000;
/** After so many refused tokens in a row the client asks for no other token. */
const REFUSALS = 3;
