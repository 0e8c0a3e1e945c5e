// What a generated TypeScript client does with client_service.py, in Node and in a browser alike.
import { connect, ConnectionLost, ReplyError, TimeoutError, type Said, type Socket, type State } from "./socket.js";

function expect(what: string, found: unknown, wanted: unknown): void {
  const [one, two] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== two) throw new Error(`${what}: ${one} in place of ${two}`);
}

function until(room: Socket<any>, state: State): Promise<any> {
  return new Promise((resolve) => {
    const end = room.on("state", (change) => {
      if (change.state === state) {
        end();
        resolve(change);
      }
    });
  });
}

async function failure(promise: Promise<unknown>): Promise<any> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing failed");
}

async function talk(url: string): Promise<void> {
  const room = connect("/rooms/{room_id}", { url, params: { room_id: 7 }, query: { name: "bob" } });
  const heard: Said[] = [];
  room.on("said", (message) => heard.push(message));
  expect("sent before it is open", room.send({ type: "say", text: "early" }), "queued");
  const said = await room.request({ type: "say", text: "hi" });
  const by: string = said.by; // typed by the handler's reply
  expect("reply", [by, said.text], ["bob", "hi"]);
  const answers = await Promise.all([3, 2, 1].map((number) => room.request({ type: "ask", number, wait: number / 100 })));
  expect("answers by ref", answers.map((answer) => answer.number), [3, 2, 1]);
  expect("heard", heard.map((message) => message.text), ["early"]);

  const full = await failure(room.request({ type: "say", text: "full?" }));
  expect("error", [full instanceof ReplyError, full.code, full.message, full.reply.data], [true, "full", "the room is full", { limit: 2 }]);
  const invalid = await failure(room.request({ type: "say", text: "" }));
  expect("invalid", [invalid.code, invalid.reply.errors[0].loc], ["invalid", ["text"]]);
  const late = await failure(room.request({ type: "ask", number: 1, wait: 5 }, { timeout: 20 }));
  expect("timeout", late instanceof TimeoutError, true);
  const controller = new AbortController();
  const aborted = failure(room.request({ type: "ask", number: 1, wait: 5 }, { signal: controller.signal }));
  controller.abort(new Error("enough"));
  expect("aborted", (await aborted).message, "enough");

  const messages = room[Symbol.asyncIterator]();
  room.send({ type: "say", text: "one" });
  room.send({ type: "say", text: "two" });
  const read: string[] = [];
  for (let n = 0; n < 2; n++) read.push(((await messages.next()).value as Said).text);
  expect("iterated", read, ["one", "two"]);
  await room.close();
  expect("after close", [room.state, (await messages.next()).done, room.send({ type: "say", text: "x" })], ["closed", true, "dropped"]);
  const lost = await failure(room.request({ type: "say", text: "x" }));
  expect("request after close", [lost instanceof ConnectionLost, lost.message], [true, "the socket is closed (1000)"]);
}

async function ends(url: string): Promise<void> {
  const retry = { base: 10, max: 20 };
  for (const [code, reason, next] of [
    [1008, "", "closed"],
    [4403, "", "closed"],
    [4401, "", "closed"],
    [1000, "", "closed"],
    [1012, "retry=30", "waiting"],
    [1013, "busy; retry=30", "waiting"],
    [1011, "", "waiting"],
    [4429, "retry=30", "waiting"],
  ] as const) {
    const room = connect("/rooms/{room_id}", { url, params: { room_id: 1 }, retry });
    const changed = Promise.race([until(room, "closed"), until(room, "waiting")]);
    room.send({ type: "leave", code, reason });
    const change = await changed;
    expect(`${code}`, [change.state, change.code], [next, code]);
    if (reason) expect("the server's wish", change.delay >= 30 && change.delay <= 40, true);
    if (next === "waiting") {
      await until(room, "open");
      expect("again", (await room.request({ type: "say", text: "back" })).text, "back");
    }
    await room.close();
  }
}

async function tokens(url: string): Promise<void> {
  const given = ["old", "old", "good"];
  let asked = 0;
  const room = connect("/private", { url, token: async () => given[asked++]!, retry: { base: 1 } });
  while (asked < 3) await until(room, "connecting");
  expect("token", (await room.request({ type: "hello", name: "x" })).text, "x");
  expect("asked", asked, 3);
  await room.close();
  for (const address of ["/tokens/subprotocol", "/tokens/message", "/tokens/query"] as const) {
    const told = connect(address, { url, token: "a?>~" }); // goes where the document says
    expect(address, (await told.request({ type: "which" })).text, "a?>~");
    await told.close();
  }
  const never = connect("/private", { url, token: () => "old", retry: { base: 1 } });
  const unanswered = failure(never.request({ type: "hello", name: "x" }));
  expect("refused", (await until(never, "closed")).code, 4401);
  const { code, message } = await unanswered;
  expect("why", [code, /^the .* \(4401(: .*)?\)$/.test(message)], [4401, true]);
}

async function tickets(url: string): Promise<void> {
  let asked = 0;
  const token = async (): Promise<string> => {
    asked += 1;
    const response = await fetch(`${url.replace("ws", "http")}/tickets`, { method: "POST" });
    return response.json();
  };
  const room = connect("/ticketed", { url, token, retry: { base: 1 } });
  for (let connection = 1; connection <= 3; connection++) {
    expect("ticket", (await room.request({ type: "whose" })).text, "ada");
    expect("a ticket for each connection", asked, connection);
    const waiting = until(room, "waiting");
    room.send({ type: "restart" });
    await waiting;
  }
  await room.close();
}

async function others(url: string): Promise<void> {
  const numbers: number[] = [];
  for await (const tick of connect("/ticks/{last}", { url, params: { last: 5 } })) numbers.push(tick.number);
  expect("stream", numbers, [0, 1, 2, 3, 4]);

  const echo = connect("/echo/{path}", { url, params: { path: "a/b c" }, query: { shout: true } });
  const heard = echo[Symbol.asyncIterator]();
  expect("path", (await heard.next()).value, "a/b c");
  echo.send("text");
  echo.send(new Uint8Array([1, 2]).buffer);
  expect("text", (await heard.next()).value, "TEXT");
  expect("bytes", [...new Uint8Array((await heard.next()).value as ArrayBuffer)], [1, 2]);
  await echo.close();

  const stopped = new AbortController();
  const room = connect("/rooms/{room_id}", { url: "ws://127.0.0.1:9", params: { room_id: 1 }, queue: 2, signal: stopped.signal });
  const dropped: string[] = [];
  room.on("dropped", (item) => dropped.push(`${(item.message as any).text} ${item.why}`));
  const outcomes = ["a", "b", "c"].map((text) => room.send({ type: "say", text }));
  expect("queue", outcomes, ["queued", "queued", "dropped"]);
  stopped.abort();
  expect("dropped", dropped, ["c queue full", "a closed", "b closed"]);
  expect("aborted", room.state, "closed");
}

async function nowhere(): Promise<void> {
  const options = { url: "ws://127.0.0.1:9", params: { room_id: 1 }, retry: { base: 1, timeout: 60_000 } };
  const room = connect("/rooms/{room_id}", options);
  const change = await until(room, "waiting"); // long before an attempt has taken its time
  expect("nobody there", change.code, 1006);
  await until(room, "connecting");
  await room.close();
  const random = Math.random;
  Math.random = () => 0.5;
  const waits: (number | undefined)[] = [];
  const patient = connect("/rooms/{room_id}", { ...options, retry: { base: 2, max: 10, attempts: 5 } });
  patient.on("state", (change) => change.state === "waiting" && waits.push(change.delay));
  await until(patient, "closed"); // after so many attempts in a row
  Math.random = random;
  expect("backoff with full jitter", waits, [1, 2, 4, 5, 5]);
  const signal = AbortSignal.abort();
  const aborted = connect("/rooms/{room_id}", { ...options, signal });
  expect("aborted before", aborted.state, "closed");
  await aborted.close();
}

export async function scenario(url: string): Promise<string> {
  await talk(url);
  await ends(url);
  await tokens(url);
  await tickets(url);
  await others(url);
  await nowhere();
  return "all well";
}
