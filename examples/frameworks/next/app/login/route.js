import { cookies } from "next/headers";
import { sessionOf } from "../../lib/session.js";

export async function POST(request) {
  const { user } = await request.json(); // Check a password here.
  (await cookies()).set("session", sessionOf(user), { httpOnly: true, sameSite: "lax" });
  return new Response(null, { status: 204 });
}
