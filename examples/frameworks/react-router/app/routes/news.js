import { hub } from "../lib/hub.js";
import { userOfRequest } from "../lib/session.js";

export async function action({ request }) {
  if (userOfRequest(request) === undefined) return new Response(null, { status: 401 });
  const { text } = await request.json();
  await hub.topic("news").publish(text);
  return new Response(null, { status: 204 });
}
