import { fetchHandler } from "comet-sockets";
import { getCookie } from "nitro/h3";
import { hub } from "../lib/hub.js";
import { userOf } from "../lib/session.js";

const live = fetchHandler(hub, (_request, event) => ({ context: userOf(getCookie(event, "session")) }));

// For every method: GET, HEAD and the preflight.
export default (event) => live(event.req, event);
