import { sessionOf } from "../utils/session.js";

export default defineEventHandler(async (event) => {
  const { user } = await readBody(event); // Check a password here.
  setCookie(event, "session", sessionOf(user), { httpOnly: true, sameSite: "lax", path: "/" });
  return "";
});
