import { hub } from "../lib/hub.js";

export default () => hub.stats();
