import { sessionOf } from "../lib/session.js";

export async function POST({ request, cookies }) {
  const { user } = await request.json(); // Check a password here.
  cookies.set("session", sessionOf(user), { path: "/", httpOnly: true, sameSite: "lax" });
  return new Response(null, { status: 204 });
}
