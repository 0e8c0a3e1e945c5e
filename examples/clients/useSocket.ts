// A React hook around the generated client: `wirefast client examples/typed_chat.py -o examples/clients/socket.ts`.
import { useEffect, useRef, useState } from "react";
import { connect, type Address, type Heard, type Options, type Socket, type State } from "./socket";

/** The socket, its state and the messages that were heard last; connected while the component is there. */
export function useSocket<A extends Address>(address: A, options: Options<A>, keep = 100) {
  const [state, setState] = useState<State>("connecting");
  const [messages, setMessages] = useState<Heard<A>[]>([]);
  const socket = useRef<Socket<A> | null>(null);
  // The parameters decide about the connection: others are another socket.
  const key = JSON.stringify([address, String(options.url), options.params, options.query]);
  useEffect(() => {
    const made = new AbortController();
    const room = connect(address, { ...options, signal: made.signal } as Options<A>) as Socket<A>;
    socket.current = room;
    setMessages([]);
    room.on("state", (change) => setState(change.state));
    room.on("message", (message) => setMessages((before) => [...before, message].slice(-keep)));
    return () => made.abort();
  }, [key]);
  return { socket, state, messages };
}
