/** For `node --import`: begins to watch before anything else is loaded. */
import { installProbe } from "./probe.ts";

installProbe();
