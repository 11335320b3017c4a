import { Hub } from "../../../src/index.ts";
import { testConformance } from "../../support/durable-conformance.ts";

testConformance(() => new Hub());
