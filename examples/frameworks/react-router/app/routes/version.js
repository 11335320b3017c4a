import { version } from "../lib/hub.js";

export const loader = () => new Response(version);
