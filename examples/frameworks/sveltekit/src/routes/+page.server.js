import { error } from "@sveltejs/kit";
import { hub } from "../lib/hub.js";

export const actions = {
  default: async ({ locals }) => {
    if (locals.user === undefined) error(401);
    await hub.topic("news").publish("from an action");
  },
};
