import { bunAdapter, bunFetch, bunNode } from "../support/runtimes/runtimes.ts";
import { runtimeContract } from "./contract.ts";

for (const runtime of [bunAdapter, bunFetch, bunNode]) runtimeContract(runtime);
