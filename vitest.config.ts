import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    allowOnly: process.env["CI"] !== "true",
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/unit/**/*.test.ts", "test/property/**/*.test.ts"],
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Latencies are measured here, so nothing runs beside them.
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
