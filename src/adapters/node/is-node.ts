/**
 * Whether this is Node itself. Bun's and Deno's `node:http` have sockets of their own kind: Bun's `socket.write` returns
 * true and buffers, whatever the client reads, while its `response.write` has real backpressure.
 */
export const isNode: boolean = process.versions["bun"] === undefined && process.versions["deno"] === undefined;
