export { MemoryBrokers } from "./memory-brokers.ts";
