import { hub } from "../../lib/hub.js";

export const dynamic = "force-dynamic";
export const GET = () => Response.json(hub.stats());
