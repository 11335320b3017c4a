import { defineConfig } from "vite";

// The default proxy passes a stream on as it comes, and closes it when the client disconnects.
const target = `http://127.0.0.1:${process.env.API_PORT ?? 4001}`;
const proxy = Object.fromEntries(["/live", "/login", "/news", "/stats"].map((path) => [path, { target }]));

export default defineConfig({
  server: {
    host: process.env.HOST,
    port: Number(process.env.PORT ?? 4000),
    strictPort: true,
    // Vite would answer preflights itself, for every origin.
    cors: false,
    headers: { "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'" },
    proxy,
  },
  plugins: [
    {
      name: "version",
      configureServer({ middlewares, ssrLoadModule }) {
        middlewares.use("/version", async (_request, response) =>
          response.end((await ssrLoadModule("/src/version.js")).version),
        );
      },
    },
  ],
});
