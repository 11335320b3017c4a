import { fetchHandler } from "comet-sockets";
import { hub } from "../../lib/hub.js";

const live = fetchHandler(hub, (_request, { locals }) => ({ context: locals.user }));
const handle = (event) => live(event.request, event);

// SvelteKit would answer HEAD by GET, and OPTIONS with 405.
export { handle as GET, handle as HEAD, handle as OPTIONS };
