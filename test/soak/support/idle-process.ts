/** A process that does nothing but watch a timer: how late that is, is the machine's doing. */
import { serveCalls } from "./child.ts";
import { watchTimer } from "./lateness.ts";

const late = watchTimer();

serveCalls({
  /** What was noted since it was last asked for. */
  late: () => late.splice(0),
});
