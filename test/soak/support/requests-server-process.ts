/** The program of the process that the server of `requests` has to itself. */
import { serveCalls } from "./child.ts";
import { RequestsServer } from "./requests-server.ts";

const server = new RequestsServer();

serveCalls({
  listen: () => server.listen(),
  state: () => server.state(),
});
