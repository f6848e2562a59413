// Where the tests of CUDA run, and why they do not.
import { native } from '../../lib/native/binding.js';
import type {
  FloatArray,
  NativeModelConfig,
  NativeRuntime,
  NativeTransformer,
  Packed,
} from '../../lib/native/contract.js';
import { fixtureModel, pack } from './fixtures/fairseq_fixtures.js';

/** Null, or why there is no GPU to test on. scripts/gpu-check.sh sets RDROP_EXPECT_CUDA: there it is a failure. */
export function noCuda(): string | null {
  const { available, reason } = native().info().cuda;
  if (available) return null;
  if (process.env['RDROP_EXPECT_CUDA']) throw new Error(`CUDA is expected here: ${reason}`);
  return reason ?? 'no reason is known';
}

/** A model of the fixtures' shape, or another, with the same initial parameters on every device. */
export async function modelOn(
  device: NativeRuntime['device'],
  precision: NativeRuntime['precision'],
  config: Partial<NativeModelConfig> = {},
): Promise<NativeTransformer> {
  const shape = { ...fixtureModel, ...config };
  const model = await native().Transformer.create(shape, { seed: 3, device, precision });
  if (device === 'cpu') return model;
  const origin = await native().Transformer.create(shape, { seed: 3, device: 'cpu', precision: 'float32' });
  await model.setParameters(await origin.parameters());
  origin.dispose();
  return model;
}

/** Sentence pairs with tokens 4..vocabulary-1 and eos, the target a function of the source; the same for a seed. */
export function randomPairs(count: number, longest: number, vocabulary: number, seed: number) {
  let state = seed >>> 0;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const source: Int32Array[] = [];
  const target: Int32Array[] = [];
  for (let i = 0; i < count; i++) {
    const tokens = Array.from({ length: 1 + next(longest) }, () => 4 + next(vocabulary - 4));
    source.push(Int32Array.from([...tokens, 2]));
    target.push(Int32Array.from([...tokens.reverse(), 2]));
  }
  return { source: pack(source), target: pack(target) } satisfies Record<string, Packed>;
}

/** The largest difference of two models' parameters or gradients, relative to the largest magnitude of each tensor. */
export function largestDifference(
  actual: Map<string, FloatArray>,
  expected: Map<string, FloatArray>,
): number {
  let worst = 0;
  let overall = 0;
  for (const values of expected.values())
    for (const value of values) overall = Math.max(overall, Math.abs(value));
  for (const [name, truth] of expected) {
    const values = actual.get(name);
    if (values === undefined || values.length !== truth.length) throw new Error(`${name}: not there`);
    // Gradients of key biases are zero up to rounding: compared with the whole.
    const zero = name.endsWith('k_proj.bias');
    let scale = 0;
    for (const value of truth) scale = Math.max(scale, Math.abs(value));
    let difference = 0;
    for (let i = 0; i < truth.length; i++)
      difference = Math.max(difference, Math.abs(values[i]! - truth[i]!));
    if (Number.isNaN(difference)) return Number.NaN;
    worst = Math.max(worst, difference / (zero || scale === 0 ? overall : scale));
  }
  return worst;
}
