import { SingleBar } from 'cli-progress';
import type { SetupProgress } from './setup.js';

const size = (done: number) => `${(done / 1e6).toFixed(0)} MB`;

/**
 * Shows the progress of setup(): a bar on a terminal; elsewhere a line a stage, at each quarter, and every 10 s.
 *
 * @returns the listener for setup(), and a function that ends the bar.
 */
export function setupProgress(stream: NodeJS.WriteStream = process.stderr): {
  onProgress: (progress: SetupProgress) => void;
  stop: () => void;
} {
  return stream.isTTY ? withBar(stream) : withLines(stream);
}

function withBar(stream: NodeJS.WriteStream) {
  let bar: SingleBar | null = null;
  let text = '';
  let counting = false;
  const stop = () => {
    bar?.stop();
    bar = null;
    if (counting) stream.write('\n');
    counting = false;
  };
  const onProgress = (progress: SetupProgress) => {
    if (progress.text !== text) {
      stop();
      text = progress.text;
      stream.write(`${text}\n`);
    }
    const { done, total } = progress;
    if (total === null) {
      if (done > 0) {
        stream.write(`\r  ${size(done)}`);
        counting = true;
      }
      return;
    }
    if (bar === null) {
      bar = new SingleBar({
        stream,
        format: '  {bar} {percentage} % | {eta_formatted}',
        clearOnComplete: true,
      });
      bar.start(total, done);
    }
    bar.update(done);
    if (done >= total) stop();
  };
  return { onProgress, stop };
}

function withLines(stream: NodeJS.WriteStream) {
  let text = '';
  let quarter = 0;
  let told = 0;
  const onProgress = (progress: SetupProgress) => {
    const { done, total } = progress;
    if (progress.text !== text) {
      text = progress.text;
      quarter = 0;
      told = Date.now();
      stream.write(`rdrop: ${text}\n`);
    } else if (total === null) {
      if (Date.now() - told < 10_000) return;
      told = Date.now();
      stream.write(`rdrop: ${text}: ${size(done)}\n`);
    } else if (Math.floor((4 * done) / total) > quarter) {
      quarter = Math.floor((4 * done) / total);
      stream.write(`rdrop: ${text}: ${25 * quarter} %\n`);
    }
  };
  return { onProgress, stop: () => {} };
}
