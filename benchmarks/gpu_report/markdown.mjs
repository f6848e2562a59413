// The report as Markdown: goals first, then every figure with its spread and conditions.

const number = (value, digits = 3) =>
  Number.isFinite(value) ? Number(value.toPrecision(digits)).toLocaleString('en-GB') : '–';
const milliseconds = (seconds) => number(seconds * 1e3);
const percent = (share) => (Number.isFinite(share) ? `${number(100 * share)}%` : '–');
const gibibytes = (bytes) => `${number(bytes / 2 ** 30)} GiB`;

const table = (head, rows) =>
  rows.length === 0
    ? 'No figures.'
    : [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
        .map(
          (row) =>
            `| ${row.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`,
        )
        .join('\n');

const spreadOf = ({ median, p10, p90 }) =>
  `${milliseconds(median)} (${milliseconds(p10)} to ${milliseconds(p90)})`;
const outcome = { true: 'met', false: '**missed**', null: 'no figure' };

export function markdownOf({
  device,
  quick,
  conditions,
  failed,
  goals,
  loss,
  step,
  epoch,
  validation,
  memory,
}) {
  const described = Object.entries(device)
    .filter(([name, value]) => name !== 'name' && value !== null)
    .map(([name, value]) => [name, name === 'totalBytes' ? gibibytes(value) : value]);
  const sides = conditions.map(({ program, date, seed, precision, versions, model }) => [
    ...[program, date, seed, precision],
    Object.entries(versions)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
    `V ${model.vocabSize}, D ${model.embedDim}, F ${model.ffnDim}, H ${model.heads}, ${model.layers ?? `${model.encoderLayers}+${model.decoderLayers}`} layers, dropout ${model.dropout}`,
  ]);
  const sections = [
    `# ${device.name}`,
    quick
      ? '**A trial run (--quick) on a tiny shape: it shows that everything runs. No figure here says how fast anything is.**'
      : "Training of the paper's model on batches with the lengths of IWSLT'14 and random tokens. Both programs ran the same batches.",
    table(['device', ''], described),
    table(['program', 'date', 'seed', 'precision', 'versions', 'model'], sides),
    '## Goals',
    table(
      ['goal', 'wanted', 'found', ''],
      goals.map(({ goal, wanted, found, met }) => [goal, wanted, number(found ?? Number.NaN), outcome[met]]),
    ),
    '## Failed',
    failed.length === 0
      ? 'No stage failed.'
      : table(
          ['program', 'stage', 'what it said'],
          failed.map(({ program, stage, message }) => [program, stage, message]),
        ),
    '## Loss operation',
    'Losses and the gradient of both passes from the logits; bytes are one read and one write of them. Median (tenth to ninetieth percentile).',
    table(
      ['side', 'direction', 'type', 'shape', 'ms', 'GB/s', 'copy, ms', 'of the copy'],
      loss.map((row) => [
        ...[row.side, row.direction, row.precision, `2 · ${row.rows} × ${row.classes}`, spreadOf(row)],
        ...[number(row.gigabytesPerSecond), row.copy ? spreadOf(row.copy) : '–', percent(row.shareOfCopy)],
      ]),
    ),
    '## Training step',
    'Forward and backward of both passes, and the update. The device is waited for once a group of steps; a figure is the mean of a group. Tokens are source and target of one pass.',
    table(
      [
        'side',
        'direction',
        'type',
        'ms a step',
        'steps/s',
        'tokens/s',
        'of the matrix peak',
        'steps',
        'a group',
        'graphs',
      ],
      step.map((row) => [
        ...[row.side, row.direction, row.precision, spreadOf(row), number(row.stepsPerSecond)],
        ...[number(row.tokensPerSecond), percent(row.shareOfMatrixPeak), row.steps, row.stepsPerGroup],
        row.graphFallbackReason ? `none: ${row.graphFallbackReason}` : (row.graphs ?? '–'),
      ]),
    ),
    '## Epoch',
    table(
      ['side', 'direction', 'type', 'seconds', 'updates', 'measured'],
      epoch.map((row) => [
        ...[row.side, row.direction, row.precision, number(row.seconds), row.updates],
        row.scaled
          ? `${row.measuredUpdates} updates by size in ${number(row.measuredSeconds)} s, scaled by tokens`
          : 'all',
      ]),
    ),
    '## Validation',
    table(
      ['side', 'type', 'seconds', 'sentences', 'beam', 'length at most', 'tokens made', 'model'],
      validation.map((row) => [
        ...[row.side, row.precision, number(row.seconds), row.sentences, row.beam],
        ...[row.maxLength, row.generatedTokens, row.model],
      ]),
    ),
    '## Peak memory',
    table(
      ['side', 'direction', 'type', 'peak'],
      [...memory, ...step.filter(({ peakBytes, direction }) => peakBytes && direction === 'uni')].map(
        (row) => [...[row.side, row.direction, row.precision, gibibytes(row.peakBytes)]],
      ),
    ),
  ];
  return `${sections.join('\n\n')}\n`;
}
