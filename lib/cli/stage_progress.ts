import { SingleBar } from 'cli-progress';

export interface StageProgress {
  /** What is being done; a new text begins a new stage. */
  text: string;
  done: number;
  total: number;
}

/** Shows stages of work: a bar each on a terminal, elsewhere one line a stage. stop() ends the bar. */
export function stageProgress(stream: NodeJS.WriteStream = process.stderr): {
  onProgress: (progress: StageProgress) => void;
  stop: () => void;
} {
  let bar: SingleBar | null = null;
  let stage = '';
  const stop = () => {
    bar?.stop();
    bar = null;
  };
  const onProgress = ({ text, done, total }: StageProgress) => {
    if (text !== stage) {
      stop();
      stage = text;
      if (stream.isTTY) {
        bar = new SingleBar({ stream, format: `${text} {bar} {percentage} %`, clearOnComplete: true });
        bar.start(total, done);
      } else stream.write(`rdrop: ${text}\n`);
    }
    bar?.update(done);
    if (done >= total) stop();
  };
  return { onProgress, stop };
}
