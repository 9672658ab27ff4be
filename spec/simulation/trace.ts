/**
 * Everything that happened in a world: as one number, the same for each run of a seed, and line by line where asked for.
 */

/** What one seed leaves behind of its course. */
export class Trace {
  /** Everything that happened, as one number. */
  hash = 0x811c_9dc5;
  readonly lines: string[] = [];
  readonly #keepsLines: boolean;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, number>();

  /**
   * @param nowMs - the world's time
   * @param keepsLines - whether anybody wants to read it
   */
  constructor(nowMs: () => number, keepsLines: boolean) {
    this.#nowMs = nowMs;
    this.#keepsLines = keepsLines;
  }

  /** Something happened. */
  readonly note = (text: string): void => {
    const line = `${this.#nowMs().toFixed(3)} ${this.anonymous(text)}`;
    let hash = this.hash;
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x0100_0193);
    this.hash = hash;
    if (this.#keepsLines) this.lines.push(line);
  };

  /** Connection ids are random; their order is not. */
  anonymous(text: string): string {
    return text.replaceAll(/[\da-f]{8}-[\da-f-]{27}/g, (id) => this.#number(id));
  }

  #number(id: string): string {
    const number = this.#known.get(id) ?? this.#known.size + 1;
    this.#known.set(id, number);
    return `#${number}`;
  }
}
