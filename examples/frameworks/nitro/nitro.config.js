import { defineNitroConfig } from "nitro/config";

export default defineNitroConfig({
  publicAssets: [{ dir: "public" }, { dir: "node_modules/comet-sockets/dist" }],
});
