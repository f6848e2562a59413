/** `rdrop bench step`: one training step against PyTorch, against its own matrix products, and what TypeScript adds to it. */
import type { Batch } from '../model/pack.js';
import { sum } from './iwslt14.js';
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
import { matrixProducts, type StepShape, stepShapes, tokensRead } from './shapes.js';
import { batchesOf, peerForms, StepSides } from './step_sides.js';

export async function stepRows(context: BenchContext): Promise<BenchRow[]> {
  const { shape, quick } = context.options;
  const rows: BenchRow[] = [];
  for (const each of stepShapes(shape, quick)) rows.push(...(await rowsOf(context, each)));
  return rows;
}

async function rowsOf(context: BenchContext, shape: StepShape): Promise<BenchRow[]> {
  const { options, python, onProgress } = context;
  const { direction, precision, seed } = options;
  const asked = python.path === null ? [] : peerForms(options);
  const rounds = roundsOf(options, 'step');
  const sides = await StepSides.open(context, shape.model, asked, shape);
  try {
    const forms = asked.filter(({ name }) => sides.peers.has(name));
    const next = batchesOf(seed, shape.model);
    const checked = next(shape.batch);
    const differences = await sides.check(checked, next(shape.batch).source, direction, forms, precision);
    const warmUp = 2;
    const { stepsATurn } = shape;
    const batches = Array.from({ length: Math.max(rounds, warmUp) * stepsATurn }, () => next(shape.batch));
    /** Seconds of a step, on average over the batches of a round. */
    const turn = (secondsOf: (batch: Batch) => Promise<number>) => async (round: number) => {
      let total = 0;
      for (const batch of batches.slice(round * stepsATurn, (round + 1) * stepsATurn))
        total += await secondsOf(batch);
      return total / stepsATurn;
    };
    const overhead: number[] = [];
    const core: number[] = [];
    const ours = turn(async (batch) => {
      const { seconds, nativeSeconds } = await sides.step(batch, direction);
      overhead.push(seconds - nativeSeconds);
      core.push(nativeSeconds);
      return seconds;
    });
    const products = matrixProducts(shape.model, shape.batch);
    // The peer of our own precision stands for the machine.
    const machine = forms.find((form) => form.precision === precision)?.name;
    const measures: Record<string, (round: number) => Promise<number>> = { ours };
    for (const { name } of forms) {
      measures[name] = turn((batch) => sides.peerStep(name, batch, direction));
    }
    if (machine !== undefined) measures['products'] = turn(() => sides.productSeconds(machine, products));
    onProgress(`${shape.name}: warming up`);
    // Twice: workspaces grow in the first, and torch.compile may compile again in the second.
    await interleave(warmUp, measures, 0, context.signal);
    overhead.length = 0;
    core.length = 0;
    onProgress(`${shape.name}: ${rounds} rounds`);
    const times = await interleave(rounds, measures, 0, context.signal);

    const conditions = (more: Record<string, unknown>) =>
      conditionsOf(context, {
        ...{ precision, direction, rounds, parameters: sides.model.parameterCount, ...coreConditions() },
        stepsATurn,
        tokens: tokensRead(shape),
        // Of the process so far, Node and the shapes before this one included.
        peakMegabytes: process.resourceUsage().maxRSS / 1024,
        ...more,
      });
    const common = { shape: shape.name, unit: 'seconds' };
    const row = { ...common, name: `training step, ${precision}` };
    const rows: BenchRow[] = forms.map(({ name, precision: theirs }) => ({
      ...row,
      ...comparePairs(times['ours']!, times[name]!),
      peerName: name,
      conditions: conditions({
        ...{ peerPrecision: theirs, difference: differences.get(name) },
        peerPeakMegabytes: sides.peakMegabytes.get(name),
      }),
    }));
    const alone = { ...row, ...comparePairs(times['ours']!, null), peerName: null };
    for (const name of sides.missing.keys())
      rows.push({ ...alone, conditions: conditions(sides.missingOf(name)) });
    if (rows.length === 0) rows.push({ ...alone, conditions: conditions({}) });
    if (machine !== undefined) {
      const theirs = times['products']!;
      const operations = 3 * sum(products.map(([m, k, n, count]) => 2 * m! * k! * n! * count!));
      rows.push({
        ...common,
        name: `step against its matrix products, ${precision}`,
        ...comparePairs(times['ours']!, theirs, 'ours ÷ peer'),
        peerName: 'matrix products alone',
        conditions: conditions({
          ...{ ratio: 'ours ÷ peer', operations, operationsPerSecond: operations / median(theirs) },
        }),
      });
    }
    rows.push({
      ...common,
      name: `TypeScript and addon in a step, ${precision}`,
      ...comparePairs(overhead, core, 'ours ÷ peer'),
      peerName: 'the native step',
      conditions: conditions({ ratio: 'ours ÷ peer' }),
    });
    return rows;
  } finally {
    sides.close();
  }
}
