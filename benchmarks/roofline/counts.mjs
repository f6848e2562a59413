// Operations and bytes of one training step of rdrop on a device: every kernel of forward, backward and update, as
// native/model/sublayers.cc, native/model/projection_loss.cc and native/training/trainer.cc call them. Both passes of R-Drop.
//
// D width, F inner width, H heads, V types, P parameters. R rows are tokens of both passes. Activations and the copy of the
// weights that products read take 2 bytes (bfloat16); masters, gradients, moments, biases and statistics take 4 (float32).

const half = 2;
const full = 4;

/**
 * 32-bit operations of one application of Philox4x32-10, which decides four elements: ten rounds of two wide products (two
 * issue slots each), two three-way exclusive ors and two additions to the key.
 */
export const philoxOperations = 10 * (2 * 2 + 2 + 2);

/**
 * @typedef {object} Kernel
 * @property {string} part
 * @property {'forward' | 'backward' | 'update'} phase
 * @property {'product' | 'attention' | 'stream'} kind
 * @property {number} flops of the matrix unit that the mathematics needs
 * @property {number} executed those that run: attention computes whole tiles
 * @property {number} float32 operations outside the matrix unit
 * @property {number} int32 operations of the masks
 * @property {number} bytes of device memory, each tensor read or written once a kernel
 * @property {number} launches
 * @property {number} times how often the step runs it
 */

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Parameters of the model; biases and norms included. */
export function parameterCount({ vocabSize: v, embedDim: d, ffnDim: f, encoderLayers, decoderLayers }) {
  const attention = 4 * d * (d + 1);
  const feedForward = f * (d + 1) + d * (f + 1);
  const norm = 2 * d;
  return (
    v * d +
    encoderLayers * (attention + feedForward + 2 * norm) +
    decoderLayers * (2 * attention + feedForward + 3 * norm)
  );
}

/**
 * The kernels of one step.
 *
 * @param config embedDim, ffnDim, heads, vocabSize, encoderLayers, decoderLayers, dropout (post-norm, relu, one embedding)
 * @param batch {source, target}: lengths of the pairs, eos included
 * @param options tiles: of the chip's flash attention; chunkRows: target positions whose logits exist at once
 * @returns {Kernel[]}
 */
export function stepKernels(config, batch, { tiles, chunkRows = 1024 }) {
  const { vocabSize: v, embedDim: d, ffnDim: f, heads: h, encoderLayers, decoderLayers } = config;
  const passes = 2;
  const shapes = shapesOf(batch);
  const positions = sum(batch.target);
  const [s, t] = [passes * sum(batch.source), passes * positions];
  const parameters = parameterCount(config);
  const kernels = [];
  let times = 1;
  const add = (part, phase, kind, counts) =>
    kernels.push({
      part,
      phase,
      kind,
      flops: 0,
      float32: 0,
      int32: 0,
      bytes: 0,
      launches: 1,
      times,
      ...counts,
    });
  const repeat = (count, body) => {
    times = count;
    body();
    times = 1;
  };

  /** y [rows,n] = x [rows,k] · Wᵀ + b and its backward; adds: the gradient of x is added to one that is there. */
  const projection = (part, rows, k, n, adds) => {
    const flops = 2 * rows * k * n;
    const moved = half * (rows * k + n * k + rows * n);
    add(part, 'forward', 'product', { flops, bytes: moved + full * n });
    add(part, 'backward', 'product', { flops, bytes: moved + (adds ? half * rows * k : 0) });
    add(part, 'backward', 'product', { flops, bytes: half * rows * (k + n) + 2 * full * n * k });
    add('bias gradients', 'backward', 'stream', { float32: rows * n, bytes: half * rows * n + 2 * full * n });
  };

  const masks = (rows) => (config.dropout > 0 ? (rows * d * philoxOperations) / 4 : 0);

  /** Dropout, residual and norm: branch and residual in, sum and normed out; the sum and two statistics a row are kept. */
  const ending = (rows) => {
    const part = 'residual + dropout + norm';
    add(part, 'forward', 'stream', {
      ...{ float32: 10 * rows * d, int32: masks(rows), bytes: 4 * half * rows * d + 2 * full * rows },
    });
    add(part, 'backward', 'stream', {
      ...{
        float32: 16 * rows * d,
        int32: masks(rows),
        bytes: 4 * half * rows * d + 2 * full * rows,
        launches: 2,
      },
    });
  };

  const activation = (rows) => {
    add('activation', 'forward', 'stream', { float32: rows * f, bytes: 2 * half * rows * f });
    add('activation', 'backward', 'stream', { float32: 2 * rows * f, bytes: 3 * half * rows * f });
  };

  /** Flash attention. Forward has two products, backward five: scores and probabilities are computed again. */
  const attention = (part, queriesOf, keysOf, causal) => {
    const over = (of) =>
      passes * sum(shapes.map((shape) => shape.count * of(shape[queriesOf], shape[keysOf])));
    const [q, k] = [over((queries) => queries), over((_, keys) => keys)];
    const pairs = over((queries, keys) => (causal ? (queries * (queries + 1)) / 2 : queries * keys));
    const run = ([rows, columns]) =>
      over((queries, keys) => tiledPairs(queries, keys, rows, columns, causal));
    add(part, 'forward', 'attention', {
      ...{ flops: 4 * d * pairs, executed: 4 * d * run(causal ? tiles.causal : tiles.forward) },
      ...{ float32: 8 * h * pairs, bytes: half * d * (2 * q + 2 * k) + full * h * q },
    });
    // Besides the gradients: row sums of out ⊙ its gradient, and the gradient of the queries summed in float32.
    add(part, 'backward', 'attention', {
      ...{
        flops: 10 * d * pairs,
        executed: 10 * d * run(tiles.backward),
        float32: 12 * h * pairs,
        launches: 3,
      },
      bytes: half * d * (4 * q + 4 * k) + half * d * 2 * q + 2 * full * d * q + 3 * full * h * q,
    });
  };

  const embedding = (rows, tokens) => {
    const part = 'embedding + position + dropout';
    // The table of positions stays in the cache.
    add(part, 'forward', 'stream', {
      float32: 3 * rows * d,
      int32: masks(rows),
      bytes: 2 * half * rows * d + full * rows,
    });
    const types = Math.min(tokens, v);
    add(part, 'backward', 'stream', {
      ...{
        float32: 2 * rows * d,
        int32: masks(rows),
        bytes: half * rows * d + 2 * full * types * d,
        launches: 2,
      },
    });
  };

  embedding(s, s / passes);
  repeat(encoderLayers, () => {
    projection('projections of the encoder', s, d, 3 * d, true);
    attention('attention in the encoder', 'source', 'source', false);
    projection('projections of the encoder', s, d, d, false);
    ending(s);
    projection('feed-forward products', s, d, f, true);
    activation(s);
    projection('feed-forward products', s, f, d, false);
    ending(s);
  });
  embedding(t, t / passes);
  repeat(decoderLayers, () => {
    projection('projections of the decoder', t, d, 3 * d, true);
    attention('attention in the decoder', 'target', 'target', true);
    projection('projections of the decoder', t, d, d, false);
    ending(t);
    projection('projections of the decoder', t, d, d, true);
    projection('projections of the decoder', s, d, 2 * d, true);
    attention('attention to the source', 'target', 'source', false);
    projection('projections of the decoder', t, d, d, false);
    ending(t);
    projection('feed-forward products', t, d, f, true);
    activation(t);
    projection('feed-forward products', t, f, d, false);
    ending(t);
  });

  for (let first = 0; first < positions; first += chunkRows) {
    const rows = passes * Math.min(chunkRows, positions - first);
    const flops = 2 * rows * d * v;
    const moved = half * (rows * d + v * d + rows * v);
    add('output projection', 'forward', 'product', { flops, bytes: moved });
    // Losses and gradient in one operation: each logit read once, its gradient written in its place.
    add('R-Drop loss', 'forward', 'stream', { float32: 20 * rows * v, bytes: 2 * half * rows * v });
    add('output projection', 'backward', 'product', { flops, bytes: moved });
    add('output projection', 'backward', 'product', {
      flops,
      bytes: half * rows * (d + v) + 2 * full * v * d,
    });
  }

  add('gradient norm', 'update', 'stream', { float32: 2 * parameters, bytes: full * parameters });
  // Master, gradient and both moments in; master, both moments and the copy for the products out.
  add('optimizer', 'update', 'stream', { float32: 16 * parameters, bytes: (7 * full + half) * parameters });
  add('clearing the gradient', 'update', 'stream', { bytes: full * parameters });
  return kernels.map((kernel) => ({ executed: kernel.flops, ...kernel }));
}

/** [{source, target, count}]: pairs of equal lengths counted once. */
function shapesOf({ source, target }) {
  const shapes = new Map();
  source.forEach((length, i) => {
    const key = 65536 * length + target[i];
    const shape = shapes.get(key);
    if (shape) shape.count++;
    else shapes.set(key, { source: length, target: target[i], count: 1 });
  });
  return [...shapes.values()];
}

/** Pairs of query and key that whole tiles of rows × columns cover; causal: tiles above the diagonal are left out. */
export function tiledPairs(queries, keys, rows, columns, causal) {
  let pairs = 0;
  for (let first = 0; first < queries; first += rows) {
    const reach = causal ? Math.min(keys, first + rows) : keys;
    pairs += rows * columns * Math.ceil(reach / columns);
  }
  return pairs;
}

/** Matrix operations that the mathematics needs; what a share of the peak is counted from. */
export const matrixOperations = (kernels) => sum(kernels.map(({ flops, times }) => flops * times));
