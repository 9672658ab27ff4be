/**
 * What the audience reads: when, who, what, in three columns. Colour only where a person looks and has not declined it.
 */
const hasColour = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code, text) => (hasColour ? `\u001b[${code}m${text}\u001b[0m` : text);

const colours = { demo: 90, server: 33, rival: 31, anna: 36, ben: 32, carla: 35 };
const startedAt = performance.now();

/** Seconds since the start, as they stand in the first column. */
export const elapsed = () => ((performance.now() - startedAt) / 1_000).toFixed(2);

/** Prints the name of the play. */
export function printTitle(text) {
  console.log(`\n${paint(1, text)}`);
}

/** Prints the heading of a scene. */
export function printScene(number, title) {
  console.log(`\n${String(number).padStart(7)}    ${paint(1, title)}`);
}

/** Prints one event. */
export function printLine(who, text) {
  console.log(`${elapsed().padStart(7)} s  ${paint(colours[who] ?? 0, who.padEnd(7))} ${text}`);
}
