import { hub } from "../lib/hub.js";

export const loader = () => Response.json(hub.stats());
