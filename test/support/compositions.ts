// Networks of an encoder, a decoder or both, with the numbers that PyTorch computed for them
// (test/fixtures/compositions/record.py), and batches for each.
import { readFileSync } from 'node:fs';
import type {
  NativeLossOptions,
  NativeModelConfig,
  NativeTransformer,
  PackedBatch,
} from '../../lib/native/contract.js';
import { pack } from './fixtures/fairseq_fixtures.js';

export interface RecordedNetwork {
  config: NativeModelConfig;
  options: NativeLossOptions;
  batch: {
    source: number[][];
    second: number[][];
    target: number[][];
    tokenTypes?: number[][];
    values?: number[];
  };
  loss: number;
  kl: number;
  logits: number[];
  hidden: number[];
  gradients: Record<string, number[]>;
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/compositions/compositions.json', import.meta.url), 'utf8'),
) as { cases: Record<string, RecordedNetwork> };

export const networks: [name: string, network: RecordedNetwork][] = Object.entries(recorded.cases);

export const networkNamed = (name: string): RecordedNetwork => recorded.cases[name]!;

export const ragged = (lists: readonly (readonly number[])[]) =>
  pack(lists.map((list) => Int32Array.from(list)));

export function batchOf({ source, target, tokenTypes, values }: RecordedNetwork['batch']): PackedBatch {
  return {
    source: ragged(source),
    target: ragged(target),
    ...(tokenTypes && { tokenTypes: Int32Array.from(tokenTypes.flat()) }),
    ...(values && { values: Float64Array.from(values) }),
  };
}

export const lossOf = (options: NativeLossOptions): NativeLossOptions => ({
  ...{ klReduction: 'mean', classWeights: null },
  ...options,
});

/** The same network with every kind of dropout that it has a place for. */
export function withDropouts(config: NativeModelConfig): NativeModelConfig {
  const dropouts = { dropout: 0.2, attentionDropout: 0.15, activationDropout: 0.1, headDropout: 0.25 };
  const dense = config.architecture === 'encoder' && config.pooler !== 'none';
  return { ...config, ...dropouts, headInputDropout: dense ? 0.2 : 0 };
}

/** The formula of record.py: of the place of a parameter among all names, sorted, and of the number in it. */
export function formulaOf(model: NativeTransformer): Map<string, Float64Array> {
  const sizes = new Map(
    model.parameterShapes.map(([name, shape]) => [name, shape.reduce((a, b) => a * b, 1)]),
  );
  const sorted = [...sizes.keys()].sort();
  return new Map(
    sorted.map((name, n) => {
      const isGain = name.endsWith('norm.weight') || name.endsWith('layernorm_embedding.weight');
      const values = Float64Array.from({ length: sizes.get(name)! }, (_, i) => {
        const base = ((i * 7919 + n * 104_729 + 17) % 2003) / 2003 - 0.5;
        return isGain ? 1 + 0.5 * base : 0.9 * base;
      });
      return [name, values];
    }),
  );
}

/** Sequences of random lengths with what the network is to say of them; the same for the same seed. */
export function randomBatchOf(config: NativeModelConfig, seed: number, sequences: number): PackedBatch {
  let state = seed * 2654435761 + 1;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const tokens = (length: number) =>
    Array.from({ length }, (_, i) => (i + 1 < length ? 4 + next(config.vocabSize - 4) : 2));
  const lists = () => Array.from({ length: sequences }, () => tokens(1 + next(config.maxPositions)));
  const source = lists();
  if (config.architecture === undefined || config.architecture === 'encoder-decoder') {
    return { source: ragged(source), target: ragged(lists()) };
  }
  if (config.architecture === 'decoder') {
    return { source: ragged(source), target: ragged(source.map(({ length }) => tokens(length))) };
  }
  const isValue = config.output === 'value';
  const classes = source.map(() => [next(config.outputs!)]);
  return {
    source: ragged(source),
    target: ragged(isValue ? [] : classes),
    ...(isValue && { values: Float64Array.from(source, () => next(1000) / 250 - 2) }),
    ...(config.tokenTypes && {
      tokenTypes: Int32Array.from(source.flat(), () => next(config.tokenTypes!)),
    }),
  };
}
