// The roofline of one training step: operations and bytes by part, and what they let expect of a chip, as Markdown. Nothing
// here is measured; docs/roofline.md holds the output and what to make of it.
//
//   node benchmarks/roofline.mjs
import { readBatches, sum } from './iwslt14/batches.mjs';
import { chips } from './roofline/chips.mjs';
import { stepKernels } from './roofline/counts.mjs';
import { predict, secondsOf } from './roofline/predict.mjs';

/** The paper's model (the preset iwslt14-rdrop-uni). */
export const iwslt14 = {
  ...{ vocabSize: 10_152, embedDim: 512, ffnDim: 1024, heads: 4, encoderLayers: 6, decoderLayers: 6 },
  dropout: 0.3,
};

const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');

const fixedDigits = (value, digits) =>
  value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (share) => `${fixedDigits(100 * share, 0)}%`;

export function roofline() {
  const batches = readBatches();
  const updates = batches.length;
  const kernelsOf = new Map();
  /** What an epoch on a chip runs and what is assumed of the chip, some of it replaced. */
  const assume = (
    chip,
    { share = {}, fixed = {}, tiles = chip.tiles, chunkRows, padded = true, short = true } = {},
  ) => {
    const { multiprocessors } = chip;
    const key = JSON.stringify([tiles, chunkRows, padded, short, multiprocessors]);
    if (!kernelsOf.has(key)) {
      kernelsOf.set(
        key,
        batches.flatMap((batch) =>
          stepKernels(iwslt14, batch, { tiles, chunkRows, padded, short, multiprocessors }),
        ),
      );
    }
    return [
      kernelsOf.get(key),
      { ...chip, share: { ...chip.share, ...share }, fixed: { ...chip.fixed, ...fixed } },
    ];
  };
  const epoch = (chip) => predict(...assume(chip));
  const epochSeconds = (chip, different) => secondsOf(...assume(chip, different));
  const [small, large] = [chips['RTX 3090'], chips['H200 SXM']];
  const [onSmall, onLarge] = [epoch(small), epoch(large)];

  const mean = (of) => sum(batches.map(of)) / updates;
  const lengths = `${fixedDigits(
    mean(({ source }) => source.length),
    1,
  )} pairs, ${fixedDigits(
    mean(({ source }) => sum(source)),
    1,
  )} source and ${fixedDigits(
    mean(({ target }) => sum(target)),
    1,
  )} target tokens`;

  const counts = table(
    ['part', 'phase', 'matrix GFLOP', 'in whole tiles (3090 / H200)', 'masks, 10⁹ int32', 'MB', 'launches'],
    onSmall.parts.map((row, i) => [
      row.part,
      row.phase,
      fixedDigits(row.flops / updates / 1e9, 1),
      row.executed === row.flops
        ? '–'
        : `${fixedDigits(row.executed / updates / 1e9, 1)} / ${fixedDigits(onLarge.parts[i].executed / updates / 1e9, 1)}`,
      row.int32 === 0 ? '–' : fixedDigits(row.int32 / updates / 1e9, 2),
      fixedDigits(row.bytes / updates / 1e6, 1),
      fixedDigits(row.launches / updates, 1),
    ]),
  );
  const step = ({ total }) =>
    `${fixedDigits(total.flops / updates / 1e12, 3)} TFLOP of matrix products, ${fixedDigits(total.bytes / updates / 1e9, 2)} GB, ${fixedDigits(total.int32 / updates / 1e9, 2)}·10⁹ integer operations of masks, ${fixedDigits(total.launches / updates, 0)} kernels`;

  const milliseconds = (row) => fixedDigits((row.seconds / updates) * 1e3, 2);
  const boundOf = ({ bound, work, start }) => {
    const [name, seconds] = Object.entries(bound).reduce((a, b) => (b[1] > a[1] ? b : a));
    return start > work ? 'start' : `${name}${seconds < 0.95 * work ? ' mostly' : ''}`;
  };
  const times = table(
    ['part', 'phase', 'RTX 3090, ms', 'held up by', 'H200, ms', 'held up by'],
    onSmall.parts.map((row, i) => {
      const other = onLarge.parts[i];
      return [row.part, row.phase, milliseconds(row), boundOf(row), milliseconds(other), boundOf(other)];
    }),
  );

  const named = Object.entries(chips).map(([name, chip]) => [name, chip, epoch(chip).total]);
  const epochs = table(
    [
      'chip',
      'epoch, s',
      'updates a second',
      'share of the matrix peak',
      'matrix',
      'memory',
      'starts',
      'goal',
    ],
    named.map(([name, chip, total]) => [
      name,
      fixedDigits(total.seconds, 1),
      fixedDigits(updates / total.seconds, 0),
      percent(total.flops / total.seconds / chip.peak.matrix),
      `${fixedDigits(total.bound.matrix, 1)} s`,
      `${fixedDigits(total.bound.memory, 1)} s`,
      `${fixedDigits(total.start, 1)} s`,
      chip.goalSeconds === undefined
        ? '–'
        : `${chip.goalSeconds} s: ${total.seconds <= chip.goalSeconds ? 'within' : `${percent(total.seconds / chip.goalSeconds - 1)} over`}`,
    ]),
  );
  const tera = (value) => fixedDigits(value / 1e12, 1);
  const assumptions = table(
    [
      'chip',
      'matrix TFLOP/s',
      'taken',
      'attention',
      'int32 T/s',
      'taken',
      'memory GB/s',
      'taken',
      'peaks from',
    ],
    named.map(([name, { peak, share, source }]) => [
      ...[name, tera(peak.matrix), percent(share.matrix), percent(share.attention)],
      ...[
        tera(peak.int32),
        percent(share.int32),
        fixedDigits(peak.memory / 1e9, 0),
        percent(share.memory),
        source,
      ],
    ]),
  );

  const what = [
    ['as taken', {}, {}],
    [
      'products 10 points of the peak better',
      { share: { matrix: small.share.matrix + 0.1 } },
      { share: { matrix: large.share.matrix + 0.1 } },
    ],
    [
      'products 10 points worse',
      { share: { matrix: small.share.matrix - 0.1 } },
      { share: { matrix: large.share.matrix - 0.1 } },
    ],
    [
      'products 20 points worse',
      { share: { matrix: small.share.matrix - 0.2 } },
      { share: { matrix: large.share.matrix - 0.2 } },
    ],
    [
      'attention twice as fast',
      { share: { attention: 2 * small.share.attention } },
      { share: { attention: 2 * large.share.attention } },
    ],
    [
      'attention half as fast',
      { share: { attention: small.share.attention / 2 } },
      { share: { attention: large.share.attention / 2 } },
    ],
    ['flash attention for every sequence', { short: false }, { short: false }],
    ['memory at 75% of its peak', { share: { memory: 0.75 } }, { share: { memory: 0.75 } }],
    ['memory at 92% of its peak', { share: { memory: 0.92 } }, { share: { memory: 0.92 } }],
    [
      '3 µs a product, 1 µs any other kernel',
      { fixed: { product: 3e-6, kernel: 1e-6 } },
      { fixed: { product: 3e-6, kernel: 1e-6 } },
    ],
    [
      '10 µs every kernel (launched one by one, the host not keeping up)',
      { fixed: { product: 10e-6, kernel: 10e-6 } },
      { fixed: { product: 10e-6, kernel: 10e-6 } },
    ],
    ['logits of 1,024 target positions at once', { chunkRows: 1024 }, { chunkRows: 1024 }],
    ['no rows added to the batches', { padded: false }, { padded: false }],
  ];
  const sensitivity = table(
    ['what is different', 'RTX 3090, s', 'H200, s'],
    what.map(([name, first, second]) => [
      name,
      fixedDigits(epochSeconds(small, first), 1),
      fixedDigits(epochSeconds(large, second), 1),
    ]),
  );

  /** What products must reach for the goal, all else as taken. */
  const needed = (name, chip) => {
    const goal = `${chip.goalSeconds} s on an ${name}`;
    const least = epochSeconds(chip, { share: { matrix: 1 } });
    if (least > chip.goalSeconds) {
      return `${goal} are out of reach by products alone (${fixedDigits(least, 1)} s at the whole peak)`;
    }
    let [low, high] = [5, 100];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (epochSeconds(chip, { share: { matrix: middle / 100 } }) > chip.goalSeconds) low = middle;
      else high = middle;
    }
    return `${goal} need products at ${percent(high / 100)} of the peak`;
  };

  return [
    `An average batch has ${lengths}; each step runs both passes. One step on an RTX 3090: ${step(onSmall)}.`,
    counts,
    'Predicted time of an average step:',
    times,
    `Predicted epoch of ${updates.toLocaleString('en-GB')} updates, and what its time goes into:`,
    epochs,
    'Taken for granted:',
    assumptions,
    `A matrix product takes ${fixedDigits(small.fixed.product * 1e6, 1)} µs and any other kernel ${fixedDigits(small.fixed.kernel * 1e6, 0)} µs beyond its work, on every chip.`,
    'An epoch when an assumption is wrong:',
    sensitivity,
    `With everything else as taken, ${needed('RTX 3090', small)}, beside their fixed time; ${needed('H200', large)}.`,
  ].join('\n\n');
}

if (import.meta.url === `file://${process.argv[1]}`) process.stdout.write(`${roofline()}\n`);
