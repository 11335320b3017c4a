import { fetchHandler } from "comet-sockets";
import { hub } from "../lib/hub.js";
import { userOfRequest } from "../lib/session.js";

const live = fetchHandler(hub, (request) => ({ context: userOfRequest(request) }));

// GET and HEAD; React Router gives preflights to the loader too.
export const loader = ({ request }) => live(request);
