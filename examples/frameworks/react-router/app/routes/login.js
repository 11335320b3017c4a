import { sessionOf } from "../lib/session.js";

export async function action({ request }) {
  const { user } = await request.json(); // Check a password here.
  const cookie = `session=${sessionOf(user)}; Path=/; HttpOnly; SameSite=Lax`;
  return new Response(null, { status: 204, headers: { "set-cookie": cookie } });
}
