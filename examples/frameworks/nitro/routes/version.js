import { version } from "../lib/hub.js";

export default () => version;
