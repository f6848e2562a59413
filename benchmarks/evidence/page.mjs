// A study as docs/evidence.md shows it: tables in Markdown and two plots.
import { readFileSync } from 'node:fs';
import { conditionColors } from '../../dist/report/charts/colors.js';
import { stripChart } from '../../dist/report/charts/strip_chart.js';
import { svgOf } from '../../dist/report/echarts.js';
import { passesOf } from './analysis.mjs';

const pOf = (p) =>
  p < 0.0001
    ? p
        .toExponential(0)
        .replace('e-', '·10⁻')
        .replace(/⁻(\d+)$/, (_, n) => `⁻${[...n].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]).join('')}`)
    : p.toFixed(4);
const signed = (x, digits) => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(digits)}`;
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

/** How figures of the metric are shown: accuracy in percent, the others as they are. */
const scaleOf = (metric) =>
  metric.includes('accuracy')
    ? { factor: 100, digits: 2, unit: '%' }
    : { factor: 1, digits: metric.includes('perplexity') ? 3 : 2, unit: '' };

const settingText = (setting) =>
  Object.entries(setting)
    .map(([path, value]) => `${path === 'loss.alpha' ? 'α' : path.split('.').at(-1)} ${value}`)
    .join(', ');

/** The tables of a study, from its results.json. */
export function tables({ metric, analysis, tuning, seeds }) {
  const { factor, digits, unit } = scaleOf(metric);
  const name = `${metric}${unit && `, ${unit}`}`;
  const show = (x) => (x * factor).toFixed(digits);
  const conditions = table(
    [
      'condition',
      'setting',
      `${name}: mean`,
      'median',
      's.d.',
      'lowest',
      'highest',
      'validation',
      'forward passes',
    ],
    analysis.conditions.map((row) => [
      `\`${row.condition}\``,
      settingText(row.setting),
      show(row.mean),
      show(row.median),
      show(row.deviation),
      show(row.lowest),
      show(row.highest),
      show(row.validation),
      row.passes.toLocaleString('en-US'),
    ]),
  );
  const interval = ({ low, high }, factor, digits) =>
    `${signed(low * factor, digits)} to ${signed(high * factor, digits)}`;
  const marked = (p) => (p < 0.05 ? `**${pOf(p)}**` : pOf(p));
  const pairs = table(
    [
      'pair',
      'difference of means',
      '95 % bootstrap interval',
      "Hedges' g",
      'rank-sum p',
      'after Holm',
      'paired difference, 95 %',
      'signed-rank p after Holm',
    ],
    analysis.pairs.map((pair) => [
      `\`${pair.a}\` − \`${pair.b}\``,
      signed(pair.meanDifference * factor, digits),
      interval(pair.bootstrap, factor, digits),
      pair.hedgesG === null ? '' : signed(pair.hedgesG, 2),
      pOf(pair.rankSum.p),
      marked(pair.holm.rankSum),
      interval(pair.pairedHodgesLehmann, factor, digits),
      marked(pair.holm.signedRank),
    ]),
  );
  const grid = table(
    ['tuned', ...[1, 2, 3, 4].map((i) => `setting ${i}`)],
    Object.entries(tuning).map(([condition, { setting, table: rows }]) => [
      `\`${condition}\``,
      ...rows.map((row) => {
        const best = settingText(row.setting) === settingText(setting) ? '**' : '';
        return `${settingText(row.setting)}: ${best}${show(row.validation)}${best}`;
      }),
    ]),
  );
  const first = analysis.primary;
  const line =
    `Primary: \`${first.a}\` − \`${first.b}\` = ${signed(first.meanDifference * factor, digits)}, 95 % interval ` +
    `${interval(first.bootstrap, factor, digits)}; in standard deviations of a run (Hedges' g) ` +
    `${signed(first.hedgesG, 2)}, ${interval(first.effectInterval, 1, 2)}; rank-sum p = ${pOf(first.rankSum.p)} ` +
    `(${seeds.length} seeds each, ${first.rankSum.method ?? 'exact'}). Paired by seed: 95 % interval ` +
    `${interval(first.pairedHodgesLehmann, factor, digits)}, signed-rank p = ${pOf(first.signedRank.p)}.`;
  return { conditions, pairs, grid, primary: line };
}

/** A chart as a file of its own, on white: what answers a mouse in a page is left out. */
const documentOf = (chart) =>
  `${svgOf(chart, 940)
    .replaceAll(/ (?:ecmeta_\w+|class|pointer-events)="[^"]*"/g, '')
    .replaceAll(/<style ?>.*?<\/style>\n?/gs, '')
    .replace('fill="none"', 'fill="#ffffff"')}\n`;

/** The figures of all runs by condition, and the mean validation figure over what training cost, as SVG documents. */
export function plots({ metric, runs }) {
  const { factor, unit } = scaleOf(metric);
  const summaries = runs.map(({ condition, seed, test }) => ({
    ...{
      direction: condition.replace('-long', ''),
      condition,
      seed,
      testScore: test * factor,
      seconds: null,
      curve: [],
    },
  }));
  const series = conditionColors(summaries);
  const strip = stripChart(summaries, metric.replace(/^test /, '') + (unit && `, ${unit}`));
  const marks = series.flatMap(({ name }, at) => {
    const curves = runs.filter(({ condition }) => condition === name).map(({ curve }) => curve);
    const points = curves[0].map(([update], i) => {
      const values = curves.map((curve) => curve[i][1] * factor);
      return [update * passesOf(name), values.reduce((a, b) => a + b, 0) / values.length];
    });
    return [{ kind: 'line', series: at, name: 'mean', strong: true, points }];
  });
  const title = metric.replace(/^test /, 'validation ') + (unit && `, ${unit}`);
  const cost = {
    label: `Mean ${title} of each condition over the passes through the network that training took`,
    series,
    panels: [{ kind: 'lines', x: { title: 'passes of a batch through the network' }, y: { title }, marks }],
  };
  return { figures: documentOf(strip.chart), cost: documentOf(cost) };
}

/** The validation figures of a run: [update, figure] at each validation. */
export function curveOf(runDirectory, metric) {
  return readFileSync(`${runDirectory}/metrics.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'validation')
    .map(({ update, bleu, scores }) => [update, scores?.[metric] ?? bleu]);
}
