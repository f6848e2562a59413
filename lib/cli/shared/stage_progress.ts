import { MultiBar, type SingleBar } from 'cli-progress';
import { durationText, TimeLeft } from '../../util/async/time_left.js';
import { hideBars, showBars } from './terminal.js';

export interface StageProgress {
  /** What is being done; a new text begins a new stage. */
  text: string;
  done: number;
  total: number;
}

/** Milliseconds between two lines about one stage. */
const patience = 10_000;

/**
 * Shows stages of work: a bar each with the time left on a terminal; elsewhere a line a stage, and another one every 10 s. stop()
 * ends the bar.
 *
 * @param quiet no line for a stage that is over within the 10 s
 */
export function stageProgress(
  stream: NodeJS.WriteStream = process.stderr,
  { quiet = false }: { quiet?: boolean } = {},
): {
  onProgress: (progress: StageProgress) => void;
  stop: () => void;
} {
  let bar: SingleBar | null = null;
  let stage: string | null = null;
  let left = new TimeLeft();
  let told = 0;
  const stop = () => {
    if (bar !== null) hideBars();
    bar = null;
  };
  const onProgress = ({ text, done, total }: StageProgress) => {
    const share = total > 0 ? done / total : 1;
    if (text !== stage) {
      stop();
      stage = text;
      left = new TimeLeft(share);
      told = performance.now();
      if (stream.isTTY && share < 1) bar = newBar(stream, text);
      else if (!quiet) stream.write(`rdrop: ${text}\n`);
    } else if (bar === null && share < 1 && performance.now() - told >= patience) {
      told = performance.now();
      stream.write(
        `rdrop: ${text}: ${Math.floor(100 * share)} %, ${durationText(left.seconds(share))} left\n`,
      );
    }
    bar?.update(Math.round(1000 * share), { left: durationText(left.seconds(share)) });
    if (share >= 1) stop();
  };
  return { onProgress, stop };
}

function newBar(stream: NodeJS.WriteStream, text: string): SingleBar {
  const bars = new MultiBar({
    stream,
    format: '{text} {bar} {percentage} % | {left} left',
    clearOnComplete: true,
    gracefulExit: false,
  });
  const bar = bars.create(1000, 0, { text, left: '-' });
  showBars(bars);
  return bar;
}
