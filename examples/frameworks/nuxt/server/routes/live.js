import { nodeHandler } from "comet-sockets/node";
import { hub } from "../utils/hub.js";
import { userOf } from "../utils/session.js";

const live = nodeHandler(hub, ({ user }) => ({ context: user }));

// For every method: GET, HEAD and the preflight.
export default defineEventHandler((event) => {
  const { req, res } = event.node;
  req.user = userOf(getCookie(event, "session"));
  // The hub answers, and not Nitro: a poll may wait.
  event._handled = true;
  return live(req, res);
});
