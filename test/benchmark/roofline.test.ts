import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';

interface Lengths {
  source: number[];
  target: number[];
}
interface Config {
  vocabSize: number;
  embedDim: number;
  ffnDim: number;
  heads: number;
  encoderLayers: number;
  decoderLayers: number;
  dropout: number;
}
interface Kernel {
  part: string;
  phase: 'forward' | 'backward' | 'update';
  kind: 'product' | 'attention' | 'stream';
  flops: number;
  executed: number;
  int32: number;
  bytes: number;
  launches: number;
  times: number;
}
type Tiles = { forward: number[]; causal: number[]; backward: number[] };

const benchmarks = (name: string) => import(new URL(`../../benchmarks/${name}`, import.meta.url).href);
const { stepKernels, parameterCount, tiledPairs, matrixOperations } = (await benchmarks(
  'roofline/counts.mjs',
)) as {
  stepKernels: (config: Config, batch: Lengths, options: { tiles: Tiles; chunkRows?: number }) => Kernel[];
  parameterCount: (config: Config) => number;
  tiledPairs: (queries: number, keys: number, rows: number, columns: number, causal: boolean) => number;
  matrixOperations: (kernels: Kernel[]) => number;
};
const { timeOf } = (await benchmarks('roofline/predict.mjs')) as {
  timeOf: (kernel: object, chip: object) => { bound: string; seconds: number };
};
const { chipOf, chips } = (await benchmarks('roofline/chips.mjs')) as {
  chipOf: (name: string) => object | undefined;
  chips: Record<string, object>;
};
const { roofline, iwslt14 } = (await benchmarks('roofline.mjs')) as {
  roofline: () => string;
  iwslt14: Config;
};

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const tiles: Tiles = { forward: [128, 32], causal: [64, 64], backward: [64, 64] };

describe('the roofline of a step', () => {
  const recorded = JSON.parse(
    readFileSync(new URL('../fixtures/benchmarks/flops.json', import.meta.url), 'utf8'),
  ) as {
    cases: {
      config: Omit<Config, 'dropout'>;
      parameters: number;
      pairs: number;
      sourceLength: number;
      targetLength: number;
      flops: { addmm: number; mm: number; bmm: number };
    }[];
  };

  it.each(recorded.cases)("counts what torch counts for the peer's step", (peer) => {
    const config = { ...peer.config, dropout: 0.3 };
    const all = (length: number) => new Array<number>(peer.pairs).fill(length);
    const kernels = stepKernels(
      config,
      { source: all(peer.sourceLength), target: all(peer.targetLength) },
      { tiles, chunkRows: 4 },
    );
    const flops = (keep: (kernel: Kernel) => boolean) =>
      sum(kernels.filter(keep).map((kernel) => kernel.flops * kernel.times));
    const product = (phase: string) => (kernel: Kernel) =>
      kernel.kind === 'product' && kernel.phase === phase;
    const output = flops(({ part, phase }) => part === 'output projection' && phase === 'forward');
    expect(flops(product('forward'))).toBe(peer.flops.addmm + output);
    expect(flops(product('backward'))).toBe(peer.flops.mm - output);
    // The peer computes all pairs where ours is causal, and keeps the probabilities that flash attention computes again.
    const attention = (causal: boolean, phase: string) =>
      flops(
        ({ kind, part, phase: its }) =>
          kind === 'attention' && (part === 'attention in the decoder') === causal && its === phase,
      );
    const halved = (2 * peer.targetLength) / (peer.targetLength + 1);
    const forward = attention(false, 'forward') + halved * attention(true, 'forward');
    const backward = attention(false, 'backward') + halved * attention(true, 'backward');
    expect(forward + (4 / 5) * backward).toBeCloseTo(peer.flops.bmm, 3);
    expect(parameterCount(config)).toBe(peer.parameters);
  });

  it('has the parameters of the published model', () => {
    expect(parameterCount(iwslt14)).toBe(36_741_120);
  });

  it.each([
    [25, 20, 128, 32, false, 128 * 32],
    [25, 33, 128, 32, false, 128 * 64],
    [129, 10, 128, 64, false, 2 * 128 * 64],
    [65, 65, 64, 64, true, 64 * 64 + 64 * 128],
    [64, 64, 64, 64, true, 64 * 64],
  ])('covers %i queries and %i keys with tiles of %i × %i', (queries, keys, rows, columns, causal, pairs) => {
    let covered = 0;
    // Query by query and key by key: a tile counts when any pair of it is wanted.
    for (let r = 0; r < queries; r += rows) {
      for (let c = 0; c < keys; c += columns) {
        const last = Math.min(queries, r + rows) - 1;
        if (!causal || c <= last) covered += rows * columns;
      }
    }
    expect(covered).toBe(pairs);
    expect(tiledPairs(queries, keys, rows, columns, causal)).toBe(pairs);
  });

  it('counts whole tiles, masks only where there is dropout, and the same mathematics for any chunk', () => {
    const batch = { source: [5, 9, 30], target: [7, 3, 40] };
    const kernels = stepKernels(iwslt14, batch, { tiles });
    for (const kernel of kernels) {
      if (kernel.kind === 'attention') expect(kernel.executed).toBeGreaterThan(kernel.flops);
      else expect(kernel.executed).toBe(kernel.flops);
    }
    const masks = (of: Kernel[]) => sum(of.map(({ int32, times }) => int32 * times));
    // An application of Philox, 80 operations, decides four elements: 13 sites of the source, 19 of the target, twice.
    expect(masks(kernels)).toBe((2 * 80 * 512 * 2 * (13 * 44 + 19 * 50)) / 4);
    expect(masks(stepKernels({ ...iwslt14, dropout: 0 }, batch, { tiles }))).toBe(0);
    const chunked = stepKernels(iwslt14, batch, { tiles, chunkRows: 7 });
    expect(matrixOperations(chunked)).toBeCloseTo(matrixOperations(kernels), -3);
    const bytes = (of: Kernel[]) => sum(of.map((kernel) => kernel.bytes * kernel.times));
    expect(bytes(chunked)).toBeGreaterThan(bytes(kernels));
  });

  it('takes the longest demand and the fixed time of every launch', () => {
    const chip = {
      peak: { matrix: 100, float32: 10, int32: 10, memory: 20 },
      share: { matrix: 0.5, attention: 0.25, float32: 1, int32: 1, memory: 0.5 },
      fixed: { product: 7, kernel: 3 },
    };
    const kernel = { kind: 'product', executed: 100, float32: 5, int32: 0, bytes: 10, launches: 1 };
    expect(timeOf(kernel, chip)).toMatchObject({ bound: 'matrix', seconds: 9 });
    expect(timeOf({ ...kernel, kind: 'attention', launches: 2 }, chip)).toMatchObject({ seconds: 10 });
    expect(timeOf({ ...kernel, bytes: 50 }, chip)).toMatchObject({ bound: 'memory', seconds: 12 });
    expect(timeOf({ ...kernel, kind: 'stream', executed: 0, int32: 40 }, chip)).toMatchObject({
      bound: 'int32',
      seconds: 7,
    });
  });

  it('knows a chip by the name that its driver gives', () => {
    expect(chipOf('NVIDIA GeForce RTX 3090')).toBe(chips['RTX 3090']);
    expect(chipOf('NVIDIA GeForce RTX 3090 Ti')).toBeUndefined();
    expect(chipOf('NVIDIA A100-SXM4-80GB')).toBe(chips['A100 SXM 80 GB']);
    expect(chipOf('NVIDIA H100 80GB HBM3')).toBe(chips['H100 SXM']);
    expect(chipOf('NVIDIA H200')).toBe(chips['H200 SXM']);
  });

  it('is what docs/roofline.md holds', () => {
    const text = readFileSync(join(packageRoot, 'docs/roofline.md'), 'utf8');
    const [, held] = /<!-- node benchmarks\/roofline.mjs -->\n\n([\s\S]*?)\n\n<!-- end -->/.exec(text) ?? [];
    expect(held).toBe(roofline());
  }, 120_000);
});
