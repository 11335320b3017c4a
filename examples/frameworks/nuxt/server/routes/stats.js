import { hub } from "../utils/hub.js";

export default defineEventHandler(() => hub.stats());
