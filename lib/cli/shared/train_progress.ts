import { MultiBar } from 'cli-progress';
import type { TrainProgress, TrainStage } from '../../training/stages.js';
import type { TrainEvent } from '../../training/train_events.js';
import { durationText } from '../../util/async/time_left.js';
import { figureText } from './figure_text.js';
import { hideBars, showBars } from './terminal.js';

export interface ProgressDisplay {
  onEvent: (event: TrainEvent) => void;
  onProgress: (progress: TrainProgress) => void;
  stop: () => void;
}

/** Shows how training goes: a bar on a terminal, elsewhere lines: each of the metrics, the first update, and what takes long. */
export function trainProgress(stream: NodeJS.WriteStream = process.stderr): ProgressDisplay {
  return stream.isTTY ? withBar(stream) : withLines(stream);
}

const number = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));
const left = (seconds: number | null) => (seconds === null ? '' : `, ${durationText(seconds)} left`);

const names: Record<TrainStage, string> = {
  'reading data': 'reading data',
  training: 'training',
  'validation loss': 'validation: loss',
  'validation translation': 'validation: translating',
  'validation prediction': 'validation: predicting',
  'test translation': 'test: translating',
  'test prediction': 'test: predicting',
  'test scores': 'test: scoring',
};

/** What is being done and how far it is, as in 'validation: translating 120/1014, 12 s left'. */
export function stageText({ stage, done, total, secondsLeft }: TrainProgress): string {
  const counted = stage === 'training' || stage === 'reading data' ? '' : ` ${done}/${total}`;
  return `${names[stage] ?? stage}${counted}${left(secondsLeft)}`;
}

function withBar(stream: NodeJS.WriteStream): ProgressDisplay {
  const bars = new MultiBar({
    stream,
    format:
      '{bar} {percentage} % {doing} | update {update} | loss {loss} | kl {kl} | {speed} tokens/s | valid {figure}',
    barsize: Math.max(10, Math.min(40, (stream.columns ?? 80) - 100)),
    fps: 4,
    hideCursor: true,
    // The command itself says what a signal does, and ends the bar.
    gracefulExit: false,
  });
  const payload = { doing: 'beginning', update: 0, loss: '-', kl: '-', speed: '-', figure: '-' };
  const bar = bars.create(1000, 0, payload);
  showBars(bars);
  let share = 0;
  const show = () => bar.update(Math.round(1000 * share), payload);
  const onProgress = (progress: TrainProgress) => {
    payload.doing = stageText(progress);
    payload.update = progress.update;
    if (progress.stage === 'training') share = progress.done / progress.total;
    if (progress.loss !== null) {
      payload.loss = number(progress.loss, 3);
      payload.kl = number(progress.kl, 3);
      payload.speed = number(progress.tokensPerSecond, 0);
    }
    show();
  };
  const onEvent = (event: TrainEvent) => {
    payload.update = event.update;
    if (event.type === 'train') {
      payload.loss = number(event.loss, 3);
      payload.kl = number(event.kl, 3);
      payload.speed = number(event.tokensPerSecond, 0);
    } else if (event.type === 'validation') {
      payload.figure = figureOf(event);
    } else if (event.type === 'end') {
      payload.doing = event.reason === 'aborted' ? 'stopped' : 'ended';
      if (event.reason !== 'aborted') share = 1;
    }
    show();
  };
  return { onEvent, onProgress, stop: hideBars };
}

/** What a validation is judged by: BLEU, or the first figure of another task. */
function figureOf({ bleu, scores }: TrainEvent & { type: 'validation' }): string {
  const [first] = Object.entries(scores ?? {});
  return first === undefined ? `BLEU ${number(bleu, 2)}` : figureText(...first);
}

/** The other figures of a task. */
const restOf = ({ scores = {} }: TrainEvent & { type: 'validation' }): string =>
  metricsText(Object.fromEntries(Object.entries(scores).slice(1)));

const metricsText = (metrics: Record<string, number> = {}): string =>
  Object.entries(metrics)
    .map(([name, value]) => `, ${name} ${Number(value.toPrecision(6))}`)
    .join('');

/** Milliseconds after which a stage, or training without a line of metrics, is worth a line of its own. */
const patience = 10_000;

function withLines(stream: NodeJS.WriteStream): ProgressDisplay {
  let stage: TrainStage | null = null;
  let told = performance.now();
  let trained = false;
  const onProgress = (progress: TrainProgress) => {
    const { update, loss, kl, tokensPerSecond } = progress;
    const training = progress.stage === 'training';
    const first = training && !trained && loss !== null;
    if (training && loss !== null) trained = true;
    if (progress.stage !== stage) {
      stage = progress.stage;
      if (!training) told = performance.now();
    }
    if (!first && performance.now() - told < patience) return;
    told = performance.now();
    const metrics =
      loss === null
        ? ''
        : `: loss ${number(loss, 3)}, kl ${number(kl, 3)}, ${number(tokensPerSecond, 0)} tokens/s`;
    const share = `${((100 * progress.done) / (progress.total || 1)).toFixed(1)} %`;
    stream.write(
      training
        ? `update ${update}${metrics}; ${share} of the run${left(progress.secondsLeft)}\n`
        : `rdrop: ${stageText(progress)}\n`,
    );
  };
  const onEvent = (event: TrainEvent) => {
    const { update, epoch } = event;
    if (event.type === 'train') {
      told = performance.now();
      stream.write(
        `epoch ${epoch} update ${update}: loss ${number(event.loss, 3)}, nll ${number(event.nll, 3)}, ` +
          `kl ${number(event.kl, 3)}, ${number(event.tokensPerSecond, 0)} tokens/s, ${number(event.seconds, 0)} s\n`,
      );
    } else if (event.type === 'validation') {
      stream.write(
        `epoch ${epoch} update ${update}: valid loss ${number(event.loss, 3)}, nll ${number(event.nll, 3)}, ` +
          `${figureOf(event)}${restOf(event)}${metricsText(event.metrics)}${event.best ? ' (best)' : ''}\n`,
      );
    }
  };
  return { onEvent, onProgress, stop: () => {} };
}
