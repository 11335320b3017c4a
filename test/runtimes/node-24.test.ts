import { honoServers, nodeHandlers, runtimesOf } from "../support/runtimes/runtimes.ts";
import { runtimeContract } from "./contract.ts";

for (const runtime of runtimesOf("Node 24", nodeHandlers, honoServers)) runtimeContract(runtime);
