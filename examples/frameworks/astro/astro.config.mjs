import node from "@astrojs/node";
import { defineConfig } from "astro/config";

export default defineConfig({
  output: "server",
  adapter: node({ mode: "standalone" }),
  server: { host: process.env.HOST, port: Number(process.env.PORT ?? 4321) },
});
