import { version } from "../lib/hub.js";

export const GET = () => new Response(version);
