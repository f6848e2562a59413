import type { ReportTable } from '../report/table.js';
import { formatP } from '../statistics/comparison_lines.js';
import type { GroupEstimate } from './estimates.js';
import type { MeanEstimate, RatioEstimate } from './intervals.js';
import type { DropoutMoments } from './theory.js';

const absent = '—';
const count = (value: number) => value.toLocaleString('en-US');
/** Four significant digits; powers of ten where zeros would lead or trail. */
const number = (value: number | null): string => {
  if (value === null) return absent;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(3);
  return value.toPrecision(4);
};
const interval = (low: number | null, high: number | null, text: (value: number) => string) =>
  low === null || high === null ? absent : `${text(low)} to ${text(high)}`;
const ratioText = ({ ratio, low, high }: RatioEstimate) =>
  ratio === null ? absent : `${ratio.toFixed(3)} (${interval(low, high, (value) => value.toFixed(3))})`;
const percent = (level: number) => `${Number((level * 100).toFixed(6))} %`;

/** E[D(P1‖P2)], E[D(P2‖P1)], E[bi] and the paired difference. */
export function divergenceTable({ divergence, conditions }: DropoutMoments): ReportTable {
  const { level, samples, pairs } = conditions.options;
  const row = (name: string, { mean, low, high, standardDeviation }: MeanEstimate) => [
    name,
    number(mean),
    interval(low, high, number),
    number(standardDeviation),
  ];
  const { difference } = divergence;
  return {
    caption: 'Divergence of the two passes',
    head: [
      'per target position, nats',
      'mean over mask pairs',
      `${percent(level)} interval`,
      'standard deviation',
    ],
    rows: [
      row('uni: D(P1‖P2)', divergence.uni),
      row('uni-reverse: D(P2‖P1)', divergence.uniReverse),
      row('bi: half the sum', divergence.bi),
      row('D(P1‖P2) − D(P2‖P1)', difference),
    ],
    notes: [
      `t intervals over ${count(pairs)} draws, each of one mask pair for every batch; the standard deviation is of one draw.`,
      (difference.containsZero
        ? `The interval of the difference contains 0, as it should in ${percent(level)} of experiments. `
        : `The interval of the difference does not contain 0, as chance alone has it in ${percent(1 - level)} of experiments. `) +
        `Randomization test (${count(samples)} drawings of random signs for the differences of every batch and mask pair, ` +
        `two-sided): p = ${formatP(difference.randomizationP)}.`,
    ],
  };
}

/** The variance of uni against that of bi by group, with what theory expects. */
export function gradientTable(result: DropoutMoments, objective: 'kl' | 'loss'): ReportTable {
  const { level } = result.conditions.options;
  const what =
    objective === 'kl' ? 'the KL term alone' : `the whole loss, CE + ${result.conditions.loss.alpha}·KL`;
  return {
    caption: `Gradient of ${what}`,
    head: [
      'parameters',
      'number',
      '‖E g‖ uni',
      '‖E g‖ bi',
      'cosine',
      'tr Cov uni',
      'tr Cov bi',
      `uni/bi (${percent(level)} interval)`,
      'by theory',
      'S/N uni',
      'S/N bi',
    ],
    rows: result.gradients[objective].map(gradientRow),
    notes: [],
  };
}

function gradientRow(estimate: GroupEstimate): string[] {
  const { uni, bi, cosine, varianceRatio, expectedRatio } = estimate;
  return [
    estimate.group,
    count(estimate.parameters),
    number(uni.meanNorm),
    number(bi.meanNorm),
    cosine === null ? absent : cosine.toFixed(4),
    number(uni.variance),
    number(bi.variance),
    ratioText(varianceRatio),
    ratioText(expectedRatio),
    number(uni.signalToNoise),
    number(bi.signalToNoise),
  ];
}

/** Notes for both gradient tables. */
export const gradientNotes = [
  'Gradients are per target position, under one mask pair; the batch is held fixed, and the figures are averaged over the batches. ' +
    'tr Cov is the variance over masks, added up over all elements. ‖E g‖ is free of bias: tr Cov/n is taken off the squared ' +
    'norm of the mean; — where nothing is left. S/N is ‖E g‖²/tr Cov.',
  'uni/bi is tr Cov uni / tr Cov bi, its interval a jackknife over mask pairs; "by theory" is 1 + w² tr Cov(½(u − r))/tr Cov bi ' +
    'with u and r the gradients of both directions and w the weight of the KL term, which leaves out a covariance that is 0 in ' +
    'expectation. The cosine of the means is 1 in expectation and may come out above it.',
];

/** Ratios by layer. */
export function layerTable({ gradients, conditions }: DropoutMoments): ReportTable {
  const { kl, loss } = gradients.layers;
  return {
    caption: 'Variance ratio uni/bi by layer',
    head: ['layer', 'parameters', 'KL term alone', `CE + ${conditions.loss.alpha}·KL`],
    rows: kl.map(({ layer, group, varianceRatio }, i) => [
      layer ?? absent,
      group,
      ratioText(varianceRatio),
      ratioText(loss[i]!.varianceRatio),
    ]),
    notes: [],
    folded: true,
  };
}

/** All that the numbers depend on. */
export function conditionsTable({ conditions }: DropoutMoments): ReportTable {
  const { options, environment, batches, data } = conditions;
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const entries = (of: object) =>
    Object.entries(of).map(([key, value]): [string, string] => [key, text(value)]);
  const size = batches.map(({ pairs, tokens }) => `${pairs} sequences, ${tokens} target positions`);
  return {
    caption: 'Conditions',
    head: ['condition', 'value'],
    rows: [
      ['task', conditions.task ?? 'translation'], // results of before 0.2 have none
      [
        'model',
        entries(conditions.model)
          .map(([key, value]) => `${key} ${value}`)
          .join(', '),
      ],
      ['trainable parameters', count(conditions.parameters)],
      [
        'parameters',
        `seed ${conditions.modelSeed}, ` +
          (conditions.update === 0 ? 'as initialized' : `after ${count(conditions.update)} updates`),
      ],
      [
        'loss',
        entries(conditions.loss)
          .map(([key, value]) => `${key} ${value}`)
          .join(', '),
      ],
      ['split', options.split],
      ['batches', size.join('; ')],
      ['mask pairs', `${options.pairs} for each of ${options.batches} batches`],
      ...(['level', 'samples', 'seed', 'device', 'precision'] as const).map((key): [string, string] => [
        key,
        text(options[key]),
      ]),
      ...entries(environment),
      ['data', `${Object.keys(data).length} files, SHA-256 of each in theory.json`],
      ['seconds', conditions.seconds.toFixed(0)],
    ],
    notes: [],
  };
}
