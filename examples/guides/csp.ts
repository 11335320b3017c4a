import { randomBytes } from "node:crypto";
import { html, Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

const hub = new Hub();
const newNonce = (): string => randomBytes(16).toString("base64");

const app = express();
app.get("/", (_request, response) => {
  const nonce = newNonce();
  response.setHeader("content-security-policy", `default-src 'none'; script-src 'nonce-${nonce}'; frame-src 'self'`);
  const page = html`<!doctype html>
    <title>News</title>
    <script nonce="${nonce}">
      var cometMessage = (text) => (document.title = text);
    </script>
    <iframe src="/live?topic=news&from=oldest" hidden></iframe>`;
  response.send(page.toString());
});
app.get(
  "/live",
  nodeHandler(hub, () => ({ nonce: newNonce() })),
);
await hub.topic("news").publish("Comet returns");

export const server = app.listen(process.env["PORT"] ?? 4000);
