/** The server of `nodeHandler`: on Node, and on Bun with its `node:http`. Prints its port. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { nodeHandler, sendChunked } from "../../../src/adapters/node/index.ts";
import { endless, hubOf, obey, partsOf, sourceCounts, surfaceOf, type Order } from "./app.ts";

const server = createServer((request, response) => {
  const { kind, name } = partsOf(request.url ?? "/");
  if (kind === "live") {
    void nodeHandler(hubOf(name).hub)(request, response);
    return;
  }
  if (kind === "chunked") {
    const counts = sourceCounts(name);
    if (counts === undefined) void sendChunked(response, endless(name));
    else response.end(JSON.stringify(counts));
    return;
  }
  const surface = kind === "order" ? undefined : surfaceOf(hubOf(name).hub, request.url ?? "/");
  if (surface !== undefined) {
    void nodeHandler(surface)(request, response);
    return;
  }
  let text = "";
  request.on("data", (data) => (text += String(data)));
  request.on("end", () => {
    obey(name, JSON.parse(text) as Order).then(
      (result) => response.end(JSON.stringify({ result: result ?? null })),
      (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
    );
  });
});
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
