import { sessionOf } from "../../lib/session.js";

export async function POST({ request, cookies, url }) {
  const { user } = await request.json(); // Check a password here.
  cookies.set("session", sessionOf(user), { path: "/", secure: url.protocol === "https:" });
  return new Response(null, { status: 204 });
}
