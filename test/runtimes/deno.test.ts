import { denoAdapter, denoFetch } from "../support/runtimes/runtimes.ts";
import { runtimeContract } from "./contract.ts";

for (const runtime of [denoAdapter, denoFetch]) runtimeContract(runtime);
