import { hub } from "../lib/hub.js";

export async function POST({ request, locals }) {
  if (locals.user === undefined) return new Response(null, { status: 401 });
  const { text } = await request.json();
  await hub.topic("news").publish(text);
  return new Response(null, { status: 204 });
}
