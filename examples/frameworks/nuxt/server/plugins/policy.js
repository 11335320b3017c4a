import { randomBytes } from "node:crypto";

// The policy of pages: Nuxt's scripts get a nonce. The hub gives its documents a policy of their own.
export default defineNitroPlugin(({ hooks }) => {
  hooks.hook("render:html", (html, { event }) => {
    const nonce = randomBytes(16).toString("base64");
    setResponseHeader(
      event,
      "content-security-policy",
      `default-src 'self'; script-src 'self' 'nonce-${nonce}'; style-src 'self' 'unsafe-inline'`,
    );
    for (const part of ["head", "bodyPrepend", "bodyAppend"]) {
      html[part] = html[part].map((text) => text.replaceAll("<script", `<script nonce="${nonce}"`));
    }
  });
});
