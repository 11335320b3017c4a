import adapter from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [
    sveltekit({
      adapter: adapter(),
      // The address of the site. SvelteKit refuses forms from elsewhere.
      paths: { origin: process.env.ORIGIN },
      // The policy of pages. The hub gives its documents a policy of their own.
      csp: { mode: "nonce", directives: { "default-src": ["self"], "style-src": ["self", "unsafe-inline"] } },
    }),
  ],
  server: { host: process.env.HOST, port: Number(process.env.PORT ?? 5173), strictPort: true },
});
