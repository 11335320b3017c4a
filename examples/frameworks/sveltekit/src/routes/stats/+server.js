import { hub } from "../../lib/hub.js";

export const GET = () => Response.json(hub.stats());
