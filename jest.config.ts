/** @jest-config-loader esbuild-register */
import type { Config } from 'jest';

const config: Config = {
  // `src` is listed although no spec lives there: files outside the roots vanish from the coverage figures.
  roots: ['<rootDir>/src', '<rootDir>/spec'],
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  globalSetup: '<rootDir>/spec/support/global-setup.mjs',
  testEnvironment: 'node',
  testTimeout: 20_000,
  // Jest would leave one core to the watcher that nobody runs here: half the suite's time on a machine of two.
  maxWorkers: '100%',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^tandem-rpc$': '<rootDir>/src/index.ts',
    '^tandem-rpc/msgpackr$': '<rootDir>/src/msgpackr/index.ts',
    '^tandem-rpc/testing$': '<rootDir>/src/testing/index.ts',
    // The sources import each other by the names of the compiled files.
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  // `isolatedModules` in tsconfig.json: transpiled only, the types are checked by `npm run types`.
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true }] },
  reporters: ['default', '<rootDir>/spec/support/tally-reporter.mjs'],

  // Babel instruments the missing `else` as a branch; v8 does not.
  coverageProvider: 'babel',
  collectCoverageFrom: ['<rootDir>/src/**/*.ts', '!**/*.d.ts'],
  coverageThreshold: {
    global: { branches: 95 },
    './src/protocol/**/*.ts': { branches: 100 },
  },
};

export default config;
