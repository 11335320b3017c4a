import { fetchHandler } from "comet-sockets";
import { hub } from "../../lib/hub.js";
import { userOf } from "../../lib/session.js";

const live = fetchHandler(hub, ({ cookies }) => ({ context: userOf(cookies) }));

// Next would answer HEAD by GET, and OPTIONS without the hub's CORS.
export { live as GET, live as HEAD, live as OPTIONS };
