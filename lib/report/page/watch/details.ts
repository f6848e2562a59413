import type { RunDetails, RunRow, WatchLine } from '../../watch/messages.js';
import { byId, made } from './dom.js';
import { duration, fixed, memory, stateText, whole } from './words.js';

/** A line of metrics in words. */
function inWords(line: WatchLine): string {
  const { update, epoch, loss, kl, score: figure, metric, tokensPerSecond, validationSeconds } = line;
  if (line.type === 'train')
    return `update ${whole(update)}, epoch ${epoch}: loss ${fixed(loss, 3)}, KL ${fixed(kl, 3)}, ${whole(tokensPerSecond)} tokens/s`;
  const score = figure === null ? '' : `, ${metric ?? 'BLEU'} ${fixed(figure, metric === null ? 2 : 4)}`;
  return `update ${whole(update)}, validation: loss ${fixed(loss, 3)}${score}, in ${duration(validationSeconds)}`;
}

function factsOf(run: RunRow, { directory, facts }: RunDetails): [string, string][] {
  return [
    ['state', stateText(run)],
    ...(run.worker === null ? [] : [['where', run.worker] as [string, string]]),
    ...(run.reason === null ? [] : [['reason', run.reason] as [string, string]]),
    ['directory', directory],
    ['condition', `${run.direction}${run.alpha === null ? '' : `, α ${run.alpha}`}, seed ${run.seed ?? '—'}`],
    ['trained', `${whole(run.update)} updates, epoch ${run.epoch}, ${duration(run.seconds)}`],
    ['left', duration(run.secondsLeft)],
    ['best', run.bestUpdate === null ? '—' : `update ${whole(run.bestUpdate)}`],
    ['learning rate', run.learningRate === null ? '—' : run.learningRate.toPrecision(3)],
    ['memory', memory(run.memory)],
    ...facts,
  ];
}

/** The section of the run that the reader has chosen. */
export function drawDetails(run: RunRow, details: RunDetails): void {
  byId('details').hidden = false;
  byId('details-title').textContent = run.name;
  const pairs = (items: [string, string][]) =>
    items.flatMap(([name, value]) => [made('dt', {}, name), made('dd', {}, value)]);
  const { samples, log } = details;
  const translations = (samples?.samples ?? []).map(({ line, source, reference, hypothesis }) =>
    made(
      'div',
      { class: 'sample' },
      made('p', {}, `sentence ${line}`),
      made(
        'dl',
        {},
        ...pairs([
          ...(source === undefined ? [] : [['source', source] as [string, string]]),
          ['reference', reference],
          ['translation', hypothesis],
        ]),
      ),
    ),
  );
  const lines = made('ol', {
    class: 'log',
    tabindex: '0',
    'aria-label': `Last lines of the log of ${run.name}`,
  });
  lines.append(...log.map((line) => made('li', {}, inWords(line))));
  byId('details-body').replaceChildren(
    made('dl', { class: 'facts' }, ...pairs(factsOf(run, details))),
    ...(samples === null
      ? []
      : [made('h3', {}, `Translations of the validation at update ${whole(samples.update)}`)]),
    ...translations,
    made('h3', {}, 'Log'),
    lines,
  );
  lines.scrollTop = lines.scrollHeight;
}
