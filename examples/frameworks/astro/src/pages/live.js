import { fetchHandler } from "comet-sockets";
import { hub } from "../lib/hub.js";

const live = fetchHandler(hub, (_request, { locals }) => ({ context: locals.user }));

// For every method: GET, HEAD and the preflight.
export const ALL = (context) => live(context.request, context);
