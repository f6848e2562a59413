/** `rdrop bench epoch`: how long an epoch of IWSLT'14 takes, in uni and in bi, estimated from a sample of its batches. */
import { regressionTotal } from './estimate.js';
import { readBatches, sampleBatches, sum, tokensOf } from './iwslt14.js';
import {
  type BenchContext,
  type BenchRow,
  comparePairs,
  conditionsOf,
  coreConditions,
  interleave,
  median,
  roundsOf,
} from './measure.js';
import { iwslt14Sizes, modelOf, quickSizes } from './shapes.js';
import { batchSource, peerForms, StepSides } from './step_sides.js';

const directions = ['uni', 'bi'] as const;

export async function epochRows(context: BenchContext): Promise<BenchRow[]> {
  const { options, python, onProgress } = context;
  const { precision, quick, seed } = options;
  const rounds = roundsOf(options, 'epoch');
  const recorded = readBatches();
  // With quick the first pairs of each batch stand for it.
  const epoch = quick
    ? recorded.map(({ source, target }) => ({ source: source.slice(0, 2), target: target.slice(0, 2) }))
    : recorded;
  const sample = sampleBatches(epoch, quick ? 4 : options.batches);
  const model = modelOf(quick ? quickSizes : iwslt14Sizes);
  const asked = python.path === null ? [] : peerForms(options);
  const sides = await StepSides.open(context, model, asked);
  try {
    const forms = asked.filter(({ name }) => sides.peers.has(name));
    const next = batchSource(seed, model.vocabSize);
    const few = { source: [7, 12, 9], target: [8, 11, 10] };
    const checked = next(few);
    const differences = new Map<string, Map<string, number>>();
    for (const direction of directions) {
      differences.set(direction, await sides.check(checked, next(few).source, direction, forms, precision));
    }
    const batches = sample.map((lengths) => ({ ...next(lengths), size: tokensOf(lengths) }));
    const largest = batches.reduce((a, b) => (b.size > a.size ? b : a));
    const measuresOf = (batch: (typeof batches)[number]) => {
      const measures: Record<string, () => Promise<number>> = {};
      for (const direction of directions) {
        measures[`ours ${direction}`] = async () => (await sides.step(batch, direction)).seconds;
        for (const { name } of forms) {
          measures[`${name} ${direction}`] = () => sides.peerStep(name, batch, direction);
        }
      }
      return measures;
    };
    // The largest batch first, so that no workspace grows while others are timed. What is new in each batch (pages, kernels
    // that a peer compiles for its shape) falls to the side that comes first, hence the order that changes from batch to batch.
    onProgress('epoch: warming up');
    await interleave(1, measuresOf(largest), 0, context.signal);
    /** Side → one median a batch. */
    const times = new Map<string, number[]>();
    for (const [i, batch] of batches.entries()) {
      onProgress(`epoch: batch ${i + 1} of ${batches.length}`);
      for (const [side, seconds] of Object.entries(
        await interleave(rounds, measuresOf(batch), i, context.signal),
      ))
        times.set(side, [...(times.get(side) ?? []), median(seconds)]);
    }
    const sizes = batches.map(({ size }) => size);
    const allSizes = epoch.map(tokensOf);
    const estimate = (side: string) => regressionTotal(sizes, times.get(side)!, allSizes);
    const common = {
      shape: `${quick ? 'quick: ' : ''}${epoch.length} batches, ${sum(allSizes)} tokens`,
      unit: 'seconds',
    };
    const row = (
      name: string,
      ours: string,
      peer: string | null,
      more: Record<string, unknown>,
    ): BenchRow => {
      const [of, to] = [estimate(ours), peer === null ? null : estimate(peer)];
      const interval = ({ low, high }: { low: number; high: number }) => ({ low, high, level: 0.95 });
      const pairs = comparePairs(times.get(ours)!, peer === null ? null : times.get(peer)!);
      return {
        ...{ ...common, name, ...pairs, ours: of.total, peer: to?.total ?? null, peerName: null },
        // Of the whole epoch, not of the mean batch; the spread is that of the batches.
        ratio: to === null ? null : to.total / of.total,
        spread: to === null ? { low: of.low, high: of.high } : pairs.spread,
        conditions: conditionsOf(context, {
          ...{ precision, rounds, ...coreConditions(), interval: interval(of) },
          ...(to !== null && { peerInterval: interval(to) }),
          ...{ estimator: 'regression on tokens', sample: `${sample.length} batches, systematic by size` },
          ...{ updates: epoch.length, ...more },
        }),
      };
    };
    const rows: BenchRow[] = [];
    for (const direction of directions) {
      const name = `epoch of IWSLT'14, ${direction}, ${precision}`;
      for (const form of forms) {
        const more = {
          direction,
          peerPrecision: form.precision,
          difference: differences.get(direction)!.get(form.name),
        };
        rows.push({
          ...row(name, `ours ${direction}`, `${form.name} ${direction}`, more),
          peerName: form.name,
        });
      }
      for (const missing of sides.missing.keys())
        rows.push(row(name, `ours ${direction}`, null, { direction, ...sides.missingOf(missing) }));
      if (asked.length === 0) rows.push(row(name, `ours ${direction}`, null, { direction }));
    }
    rows.push({
      ...row(`epoch of IWSLT'14, uni against bi, ${precision}`, 'ours uni', 'ours bi', {}),
      peerName: 'ours, bi',
    });
    return rows;
  } finally {
    sides.close();
  }
}
