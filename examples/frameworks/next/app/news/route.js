import { hub } from "../../lib/hub.js";
import { userOf } from "../../lib/session.js";

export async function POST(request) {
  if (userOf(request.cookies) === undefined) return new Response(null, { status: 401 });
  const { text } = await request.json();
  await hub.topic("news").publish(text);
  return new Response(null, { status: 204 });
}
