/** Programs that do what the form does, without a token. */

/** @param {{address: string, path: string, message: string, protocols: string[], needsToken: boolean}} what */
export function snippet(language, what) {
  const url = `${location.protocol.replace("http", "ws")}//${location.host}${what.path}`;
  const protocols = what.protocols.filter((name) => !name.startsWith("bearer."));
  const note = what.needsToken ? "add the token here" : "";
  if (language === "javascript") {
    return [
      `const socket = new WebSocket(${JSON.stringify(url)}${protocols.length ? `, ${JSON.stringify(protocols)}` : ""});${note && ` // ${note}`}`,
      "socket.onmessage = (event) => console.log(event.data);",
      "socket.onclose = (event) => console.log(event.code, event.reason);",
      `socket.onopen = () => socket.send(${JSON.stringify(what.message)});`,
    ].join("\n");
  }
  return [
    "import asyncio",
    "",
    "from websockets.asyncio.client import connect",
    "",
    "",
    "async def main() -> None:",
    `    async with connect(${JSON.stringify(url)}${protocols.length ? `, subprotocols=${JSON.stringify(protocols)}` : ""}) as socket:${note && `  # ${note}`}`,
    `        await socket.send(${JSON.stringify(what.message)})`,
    "        async for message in socket:",
    "            print(message)",
    "",
    "",
    "asyncio.run(main())",
  ].join("\n");
}
