import { vi } from "vitest";

/** Has a file that shares its process with others evaluate all modules anew, so that its mocks reach them. */
vi.resetModules();
