import { defineConfig } from "vitest/config";

/** The tests of real frameworks, which `npm test` leaves out: `npm run test:frameworks`. */
export default defineConfig({
  test: {
    include: ["test/frameworks/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
