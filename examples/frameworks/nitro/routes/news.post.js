import { getCookie } from "nitro/h3";
import { hub } from "../lib/hub.js";
import { userOf } from "../lib/session.js";

export default async (event) => {
  if (userOf(getCookie(event, "session")) === undefined) return new Response(null, { status: 401 });
  const { text } = await event.req.json();
  await hub.topic("news").publish(text);
  return new Response(null, { status: 204 });
};
