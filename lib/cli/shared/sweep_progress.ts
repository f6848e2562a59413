import { MultiBar, type SingleBar } from 'cli-progress';
import { droppedOf, droppedText } from '../../sweep/halving.js';
import type { SweepEvent, TrialName } from '../../sweep/messages.js';
import { conditionOfTrial } from '../../sweep/search.js';
import type { TrainProgress } from '../../training/stages.js';
import { durationText } from '../../util/async/time_left.js';
import { bestFigure, testText, validationFigure, validationText } from './score_text.js';
import { hideBars, showBars } from './terminal.js';
import { stageText } from './train_progress.js';

export interface SweepProgress {
  onEvent: (event: SweepEvent) => void;
  stop: () => void;
}

/**
 * Shows how a sweep goes: a bar a trial on a terminal, elsewhere a line for each validation and end of a trial.
 *
 * @param total updates of a trial, or 0 where epochs or minutes limit it: then a bar only counts
 */
export function sweepProgress(total: number, stream: NodeJS.WriteStream = process.stderr): SweepProgress {
  return stream.isTTY ? withBars(total, stream) : withLines(stream);
}

const leftText = ({ secondsLeft }: TrainProgress): string =>
  secondsLeft === null ? 'running' : `${durationText(secondsLeft)} left`;

function withBars(total: number, stream: NodeJS.WriteStream): SweepProgress {
  const bars = new MultiBar({
    stream,
    format: '{trial} {bar} {percentage} % | update {value} | loss {loss} | valid {score} | {note}',
    fps: 4,
    hideCursor: true,
    // The command itself says what a signal does, and ends the bars.
    gracefulExit: false,
  });
  showBars(bars);
  const shown = new Map<string, { bar: SingleBar; payload: Record<string, string> }>();
  let width = 0;
  let planned: readonly TrialName[] = [];
  const show = (trial: TrialName, changes: Record<string, string>, update?: number): void => {
    let entry = shown.get(trial.name);
    if (!entry) {
      const payload = { trial: trial.name.padEnd(width), loss: '-', score: '-', note: '' };
      entry = { bar: bars.create(total || 1, 0, payload), payload };
      shown.set(trial.name, entry);
    }
    Object.assign(entry.payload, changes);
    if (update === undefined) entry.bar.update(entry.payload);
    else {
      if (update > entry.bar.getTotal()) entry.bar.setTotal(update);
      entry.bar.update(update, entry.payload);
    }
  };
  const onEvent = (event: SweepEvent): void => {
    if (event.type === 'plan') {
      // Above the bars, before there are any.
      for (const note of event.planned.notes) stream.write(`rdrop: ${note}\n`);
      planned = event.trials;
      width = Math.max(...event.trials.map(({ name }) => name.length));
      for (const trial of event.trials)
        show(trial, { note: trial.state === 'new' ? 'waiting' : trial.state });
    } else if (event.type === 'start') {
      show(event.trial, { note: event.resumed ? 'resumed' : 'running' });
    } else if (event.type === 'progress' && event.event.type === 'progress') {
      const { stage, loss, update } = event.event;
      const note = stage === 'training' ? leftText(event.event) : stageText(event.event);
      show(event.trial, { note, ...(loss !== null && { loss: loss.toFixed(3) }) }, update);
    } else if (event.type === 'progress' && event.event.type === 'train') {
      show(event.trial, { loss: event.event.loss.toFixed(3) }, event.event.update);
    } else if (event.type === 'progress' && event.event.type === 'validation') {
      show(event.trial, { score: validationFigure(event.event) }, event.event.update);
    } else if (event.type === 'finish') {
      const { result } = event;
      show(event.trial, { note: testText(result) ?? 'finished', score: bestFigure(result) }, result.updates);
    } else if (event.type === 'rung') {
      const dropped = droppedOf(event);
      for (const trial of planned)
        if (dropped.includes(conditionOfTrial(trial))) show(trial, { note: droppedText(event.rung) });
    } else if (event.type === 'fail') {
      show(event.trial, { note: 'FAILED' });
    }
  };
  return { onEvent, stop: hideBars };
}

function withLines(stream: NodeJS.WriteStream): SweepProgress {
  const say = (text: string): void => {
    stream.write(`rdrop: ${text}\n`);
  };
  const onEvent = (event: SweepEvent): void => {
    if (event.type === 'plan') {
      const { trials, parallel, threads, queue } = event;
      if (queue !== undefined) say(`${trials.length} trials on the queue as ${queue}`);
      else
        say(
          `${trials.length} trials, ${parallel} at a time with ${threads} thread${threads === 1 ? '' : 's'} each`,
        );
      for (const note of event.planned.notes) say(note);
    } else if (event.type === 'start') {
      const where = event.worker === undefined ? '' : ` on ${event.worker}`;
      say(`${event.trial.name}: ${event.resumed ? 'resumes' : 'begins'}${where}`);
    } else if (event.type === 'progress' && event.event.type === 'validation') {
      const { update, loss } = event.event;
      const figures = validationText(event.event);
      say(`${event.trial.name}: update ${update}, valid loss ${loss.toFixed(3)}, ${figures}`);
    } else if (event.type === 'finish') {
      const { updates, seconds } = event.result;
      const how = event.reused ? 'finished before' : 'finished';
      const test = testText(event.result) ?? 'no test split';
      say(`${event.trial.name}: ${how}, ${updates} updates, ${seconds.toFixed(0)} s, ${test}`);
    } else if (event.type === 'rung') {
      const { rung, rungs, updates, survivors } = event;
      const dropped = droppedOf(event);
      const rest = dropped.length === 0 ? '' : `; ${droppedText(rung)}: ${dropped.join(', ')}`;
      say(`rung ${rung} of ${rungs}, ${updates} updates: ${survivors.join(', ')} continue${rest}`);
    } else if (event.type === 'fail') {
      say(event.error.message);
    }
  };
  return { onEvent, stop: () => {} };
}
