/** The program of the process that the server of `strangers` has to itself. */
import { serveCalls } from "./child.ts";
import { StrangersServer, type PublishPlan } from "./strangers-server.ts";

const server = new StrangersServer();

serveCalls({
  listen: () => server.listen(),
  fill: () => server.fill(),
  publish: (plan: PublishPlan) => server.publish(plan),
  state: () => server.state(),
});
