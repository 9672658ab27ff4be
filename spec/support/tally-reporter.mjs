import { writeFileSync } from 'node:fs';

/**
 * Counts the tests into one line, "N passed, N failed". A suite that could not run counts as one failure.
 *
 * Jest prints its summary after every other reporter, so the line is left in a file for `scripts/test.mjs`, which prints
 * it when jest has ended; with jest started by hand it is printed as the process ends.
 */
export default class TallyReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites }) {
    const line = `${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed`;
    const file = process.env.TANDEM_TALLY_FILE;
    if (file) writeFileSync(file, line);
    else process.once('exit', () => console.log(line));
  }
}
