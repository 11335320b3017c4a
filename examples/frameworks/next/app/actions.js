"use server";

import { cookies } from "next/headers";
import { hub } from "../lib/hub.js";
import { userOf } from "../lib/session.js";

export async function publishNews() {
  if (userOf(await cookies()) === undefined) throw new Error("Sign in first.");
  await hub.topic("news").publish("from an action");
}
