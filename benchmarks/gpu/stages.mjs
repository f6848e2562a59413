// Stages of a benchmark: each runs on its own, a failure is a result like any other, and the file is whole after every stage.
import { renameSync, writeFileSync } from 'node:fs';

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** Median, tenth and ninetieth percentile of seconds. */
export function spread(seconds) {
  const sorted = seconds.toSorted((a, b) => a - b);
  return {
    ...{ median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) },
    repetitions: sorted.length,
  };
}

export class Stages {
  #file;
  #result;

  /** @param head what the file says besides its stages */
  constructor(file, head) {
    this.#file = file;
    this.#result = { ...head, stages: [] };
    this.#write();
  }

  /** Runs one stage, which returns its rows. */
  async run(stage, body) {
    const start = performance.now();
    const entry = { stage, rows: [] };
    try {
      entry.rows = await body();
    } catch (error) {
      entry.failed = { code: error?.code ?? null, message: error?.message ?? String(error) };
    }
    entry.seconds = (performance.now() - start) / 1000;
    this.#result.stages.push(entry);
    this.#write();
    process.stderr.write(
      `${stage}: ${entry.failed ? `FAILED: ${entry.failed.message}` : `${entry.rows.length} rows`} (${entry.seconds.toFixed(1)} s)\n`,
    );
  }

  get failed() {
    return this.#result.stages.filter(({ failed }) => failed !== undefined).map(({ stage }) => stage);
  }

  #write() {
    const beside = `${this.#file}.partial`;
    writeFileSync(beside, `${JSON.stringify(this.#result, null, 2)}\n`);
    renameSync(beside, this.#file);
  }
}
