import { createHmac, timingSafeEqual } from "node:crypto";

const secret = process.env.SECRET ?? "only to try out";
const sign = (user) => createHmac("sha256", secret).update(user).digest("base64url");

/** The value of the cookie of a user. */
export const sessionOf = (user) => `${encodeURIComponent(user)}.${sign(user)}`;

/** The user of a cookie, or `undefined`. */
export function userOf(session = "") {
  const [name = "", signature = ""] = session.split(".");
  const user = decodeURIComponent(name);
  const [given, expected] = [Buffer.from(signature), Buffer.from(sign(user))];
  return given.length === expected.length && timingSafeEqual(given, expected) ? user : undefined;
}
