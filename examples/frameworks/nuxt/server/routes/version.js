import { version } from "../utils/hub.js";

export default defineEventHandler(() => version);
