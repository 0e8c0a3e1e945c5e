// A Vue composable around the generated client: `wirefast client examples/typed_chat.py -o examples/clients/socket.ts`.
import { onScopeDispose, ref, shallowRef } from "vue";
import { connect, type Address, type Heard, type Options, type Socket, type State } from "./socket";

/** The socket, its state and the messages that were heard last; connected while the component is there. */
export function socketOf<A extends Address>(address: A, options: Options<A>, keep = 100) {
  const state = ref<State>("connecting");
  const messages = shallowRef<Heard<A>[]>([]);
  const socket = connect(address, options as Options<A>) as Socket<A>;
  socket.on("state", (change) => (state.value = change.state));
  socket.on("message", (message) => (messages.value = [...messages.value, message].slice(-keep)));
  onScopeDispose(() => void socket.close());
  return { socket, state, messages };
}
