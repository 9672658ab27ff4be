/**
 * Plays scenes one after the other; the first mishap ends the play, with exit code 1.
 */
import { elapsed, printLine, printScene, printTitle } from './screen.mjs';
import { Stage } from './stage.mjs';

/**
 * Plays.
 * @param {string} title
 * @param {readonly { title: string, withinSeconds: number, act: (stage: Stage) => Promise<unknown> }[]} scenes
 */
export async function play(title, scenes) {
  const stage = new Stage();
  printTitle(title);
  for (const [index, scene] of scenes.entries()) {
    printScene(index + 1, scene.title);
    try {
      await stage.play(scene);
    } catch (error) {
      printLine('demo', `✗ scene ${index + 1}, ${scene.title}: ${error.message}`);
      process.exit(1);
    }
  }
  if (stage.actors.length > 0) {
    printLine('demo', `✗ still there after the last scene: ${stage.actors.join(', ')}`);
    process.exit(1);
  }
  printTitle(`${scenes.length} scenes played in ${elapsed()} s, and every process has ended.`);
}
