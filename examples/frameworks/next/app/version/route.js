import { version } from "../../lib/hub.js";

export const dynamic = "force-dynamic";
export const GET = () => new Response(version);
