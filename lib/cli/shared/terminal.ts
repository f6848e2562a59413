import type { MultiBar } from 'cli-progress';

/** The bars that standard error shows at the moment. */
let bars: MultiBar | null = null;

/** From now on lines go above these bars; the end of the process restores the terminal. */
export function showBars(shown: MultiBar): void {
  if (bars === null) process.once('exit', hideBars);
  bars = shown;
}

/** Leaves the bars as they last were, below them a new line, and the cursor visible. May be called again. */
export function hideBars(): void {
  process.off('exit', hideBars);
  const shown = bars;
  bars = null;
  // What was logged since the last drawing.
  shown?.update();
  shown?.stop();
}

/** Writes a line to standard error, above the bars if there are any. */
export function say(text: string): void {
  if (bars === null) process.stderr.write(`${text}\n`);
  else {
    bars.log(`${text}\n`);
    bars.update();
  }
}
