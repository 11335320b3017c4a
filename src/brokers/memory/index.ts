/** The entry point `comet-sockets/memory`. */
export { MemoryBrokers } from "./memory-brokers.ts";
