import { SingleBar } from 'cli-progress';
import type { Trainer } from '../training/trainer.js';
import type { TrainEvent } from '../training/training_loop.js';

export interface TrainProgress {
  onEvent: (event: TrainEvent) => void;
  stop: () => void;
}

/** Shows how training goes: a bar on a terminal, elsewhere a line for each line of metrics. */
export function trainProgress(trainer: Trainer, stream: NodeJS.WriteStream = process.stderr): TrainProgress {
  return stream.isTTY ? withBar(trainer, stream) : withLines(stream);
}

const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));

function withBar(trainer: Trainer, stream: NodeJS.WriteStream): TrainProgress {
  const bar = new SingleBar({
    stream,
    format:
      '{bar} {percentage} % | update {update} | loss {loss} | kl {kl} | {speed} tokens/s | valid BLEU {bleu} | {duration_formatted}',
    fps: 4,
    hideCursor: true,
  });
  const payload = { update: trainer.update, loss: '-', kl: '-', speed: '-', bleu: '-' };
  bar.start(1000, Math.round(1000 * trainer.progress), payload);
  const show = () => {
    payload.update = trainer.update;
    bar.update(Math.round(1000 * trainer.progress), payload);
  };
  const timer = setInterval(show, 500);
  timer.unref();
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'train') {
      payload.loss = number(event.loss, 3);
      payload.kl = number(event.kl, 3);
      payload.speed = number(event.tokensPerSecond, 0);
    } else if (event.type === 'valid') {
      payload.bleu = number(event.bleu, 2);
    }
    show();
  };
  const stop = () => {
    clearInterval(timer);
    bar.stop();
  };
  return { onEvent, stop };
}

function withLines(stream: NodeJS.WriteStream): TrainProgress {
  const onEvent = (event: TrainEvent) => {
    const { update, epoch } = event;
    if (event.type === 'train') {
      stream.write(
        `epoch ${epoch} update ${update}: loss ${number(event.loss, 3)}, nll ${number(event.nll, 3)}, ` +
          `kl ${number(event.kl, 3)}, ${number(event.tokensPerSecond, 0)} tokens/s, ${number(event.seconds, 0)} s\n`,
      );
    } else if (event.type === 'valid') {
      stream.write(
        `epoch ${epoch} update ${update}: valid loss ${number(event.loss, 3)}, nll ${number(event.nll, 3)}, ` +
          `BLEU ${number(event.bleu, 2)}${event.best ? ' (best)' : ''}\n`,
      );
    }
  };
  return { onEvent, stop: () => {} };
}
