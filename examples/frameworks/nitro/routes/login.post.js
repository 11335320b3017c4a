import { setCookie } from "nitro/h3";
import { sessionOf } from "../lib/session.js";

export default async (event) => {
  const { user } = await event.req.json(); // Check a password here.
  setCookie(event, "session", sessionOf(user), { httpOnly: true, sameSite: "lax", path: "/" });
  return "";
};
