import { randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { createReadableStreamFromReadable } from "@react-router/node";
import { renderToPipeableStream } from "react-dom/server";
import { ServerRouter } from "react-router";
import { Nonce } from "./lib/nonce.js";

export { hub } from "./lib/hub.js";

/** Renders a page, with a policy of its own. The hub gives its documents another. */
export default function handleRequest(request, status, headers, context) {
  const nonce = randomBytes(16).toString("base64");
  headers.set("content-type", "text/html");
  headers.set(
    "content-security-policy",
    `default-src 'self'; img-src 'self' data:; script-src 'self' 'nonce-${nonce}'`,
  );
  const page = (
    <Nonce value={nonce}>
      <ServerRouter context={context} url={request.url} nonce={nonce} />
    </Nonce>
  );
  return new Promise((resolve, reject) => {
    const { pipe } = renderToPipeableStream(page, {
      nonce,
      onShellReady() {
        const body = new PassThrough();
        resolve(new Response(createReadableStreamFromReadable(body), { status, headers }));
        pipe(body);
      },
      onShellError: reject,
    });
  });
}
