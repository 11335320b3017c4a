import { predictUs, type CostModel } from "./cost-model.ts";

/** The memory of a server process and its connections, bytes. */
export interface ProcessMemory {
  /** Of the process without connections. */
  readonly emptyBytes: number;
  /** Of the process, for each idle connection. */
  readonly idleBytes: number;
  /** Of the kernel, for each idle connection. */
  readonly kernelBytes: number;
}

/** What subscribers get. */
export interface Traffic {
  readonly flushesPerSecond: number;
  /** The topics that get a message in each flush, in each process. */
  readonly groups: number;
  readonly bytes: number;
}

/** Processes that share some subscribers evenly. */
export interface Fleet {
  readonly processes: number;
  /** Of each process. */
  readonly subscribers: number;
  /** Memory of the processes and of the kernel, bytes. */
  readonly processBytes: number;
  readonly kernelBytes: number;
}

/** The descriptors of a process that are not connections: listener, pipes, event loop, broker, and room for openings. */
export const SPARE_FILES = 500;

/** The processes for so many subscribers, of which each process has at most `mostEach`. */
export function fleetOf(memory: ProcessMemory, subscribers: number, mostEach: number): Fleet {
  const processes = Math.ceil(subscribers / mostEach);
  return {
    processes,
    subscribers: Math.ceil(subscribers / processes),
    processBytes: processes * memory.emptyBytes + subscribers * memory.idleBytes,
    kernelBytes: subscribers * memory.kernelBytes,
  };
}

/** What the model says that traffic costs a fleet. */
export interface Prediction {
  /** Cores that are fully busy, of all processes. */
  readonly cores: number;
  /** The share of its core that each process uses. */
  readonly share: number;
  /** The CPU time of one flush in one process: its last subscriber waits as long. Milliseconds. */
  readonly flushMs: number;
}

export function predictFleet(model: CostModel, fleet: Fleet, traffic: Traffic): Prediction {
  const flushUs = predictUs(model, { ...traffic, subscribers: fleet.subscribers });
  const share = (flushUs * traffic.flushesPerSecond) / 1e6;
  return { cores: share * fleet.processes, share, flushMs: flushUs / 1000 };
}
