import { hub } from "../utils/hub.js";
import { userOf } from "../utils/session.js";

export default defineEventHandler(async (event) => {
  if (userOf(getCookie(event, "session")) === undefined) throw createError({ statusCode: 401 });
  const { text } = await readBody(event);
  await hub.topic("news").publish(text);
  return "";
});
