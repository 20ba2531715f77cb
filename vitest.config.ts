import { defineConfig } from 'vitest/config'

/**
 * Not what a test may take, but when it is given up: more than all that one waits for, each with a limit of its own that says
 * what did not come.
 */
const LIMIT_MS = 300_000

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real clients and servers: they wait for most of the time, as media comes at its own speed.
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/e2e/browser/**'],
          testTimeout: LIMIT_MS,
          hookTimeout: LIMIT_MS,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Browsers decode and draw without a graphics card: one file at a time, so that they do not fight for the CPU.
        test: {
          name: 'browser',
          environment: 'node',
          include: ['test/e2e/browser/**/*.test.ts'],
          testTimeout: 2 * LIMIT_MS,
          hookTimeout: LIMIT_MS,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
