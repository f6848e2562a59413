// Operations and bytes of one training step of rdrop on a device: every kernel of forward, backward and update, as
// native/model/sublayers.cc, device_gradients.cc, projection_loss.cc and native/training/device_step.cc call them. Both passes
// of R-Drop, one micro-batch.
//
// D width, F inner width, H heads, V types, P parameters. R rows are tokens of both passes. Activations, weights and biases that
// products read take 2 bytes (bfloat16); masters, gradients, moments, norms and statistics take 4 (float32).

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
 * @property {number} launches nodes of the recorded step; a share of one where layers have a launch in common
 * @property {number} times how often the step runs it
 */

/** Rows of a captured step are a multiple of this, with some to spare (native/training/bucket.cc). */
const rowStep = 128;
const spareRows = 16;
const bucketRows = (rows) => Math.ceil((rows + spareRows) / rowStep) * rowStep;

/** Sequences up to this long have attention kernels of our own, whose tiles these are (native/ops/attention/short_tile.h). */
const longestShort = 128;
const shortTiles = { forward: [16, 16], causal: [16, 16], backward: [16, 16] };

/** Sums over rows that a launch takes (native/ops/column_sums/column_sums.cu). */
const sumsOfLaunch = 56;

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
 * @param options tiles: of the chip's flash attention; chunkRows: target positions whose logits exist at once, else those of
 *   native/device/cuda/device.cc; padded: with the rows that a captured step adds; multiprocessors: of the chip; short: whether
 *   short sequences have kernels of our own
 * @returns {Kernel[]}
 */
export function stepKernels(
  config,
  batch,
  {
    tiles,
    chunkRows = Math.floor(2 ** 26 / config.vocabSize),
    padded = false,
    multiprocessors = 82,
    short = true,
  },
) {
  const { vocabSize: v, embedDim: d, ffnDim: f, heads: h, encoderLayers, decoderLayers } = config;
  const passes = 2;
  const shapes = shapesOf(batch);
  const rowsOf = padded ? bucketRows : (rows) => rows;
  const [sources, positions] = [rowsOf(sum(batch.source)), rowsOf(sum(batch.target))];
  const [s, t] = [passes * sources, passes * positions];
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

  /**
   * y [rows,n] = x [rows,k] · Wᵀ + b and its backward. adds: the gradient of x is added to one that is there. The weight
   * gradients of all layers of a stack are one batch of products.
   */
  const projection = (part, rows, k, n, adds) => {
    const flops = 2 * rows * k * n;
    const moved = half * (rows * k + n * k + rows * n);
    add(part, 'forward', 'product', { flops, bytes: moved + half * n });
    add(part, 'backward', 'product', { flops, bytes: moved + (adds ? half * rows * k : 0) });
    add(part, 'backward', 'product', {
      ...{ flops, bytes: half * rows * (k + n) + full * n * k },
      launches: 1 / times,
    });
  };

  /** Sums that kernels have taken of parts of the rows, to be added up when the stack is through. */
  let sums = { count: 0, bytes: 0 };
  const leave = (count, parts, columns) => {
    sums.count += times * count;
    sums.bytes += times * 2 * full * parts * columns; // written and read
  };
  const blocks = (most, rows, rowsOfBlock) => Math.min(most, Math.ceil(rows / rowsOfBlock));
  /** The gradient of a bias that no kernel before sums: one launch for all of a stack. */
  const bias = (rows, n, launches) => {
    add('bias gradients', 'backward', 'stream', {
      ...{ float32: rows * n, bytes: half * rows * n + 2 * full * n, launches },
    });
    leave(1, 8, n);
  };
  const finishSums = () => {
    add('sums over rows', 'backward', 'stream', {
      ...{ float32: sums.bytes / 8, bytes: sums.bytes, launches: Math.ceil(sums.count / sumsOfLaunch) },
    });
    sums = { count: 0, bytes: 0 };
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
      },
    });
    leave(3, blocks(2 * multiprocessors, rows, 8), d);
  };

  /** Forward it is the end of the product before. */
  const activation = (rows) => {
    add('activation', 'backward', 'stream', { float32: 2 * rows * f, bytes: 3 * half * rows * f });
    leave(1, blocks(Math.floor((4 * multiprocessors) / Math.ceil(f / 512)), rows, 8), f);
  };

  /**
   * Forward has two products, backward five: scores and probabilities are computed again. Short sequences go through kernels
   * of our own, a batch with a longer one through flash attention.
   */
  const attention = (part, queriesOf, keysOf, causal) => {
    const over = (of) =>
      passes * sum(shapes.map((shape) => shape.count * of(shape[queriesOf], shape[keysOf])));
    const [q, k] = [over((queries) => queries), over((_, keys) => keys)];
    const pairs = over((queries, keys) => (causal ? (queries * (queries + 1)) / 2 : queries * keys));
    const run = ([rows, columns]) =>
      over((queries, keys) => tiledPairs(queries, keys, rows, columns, causal));
    const own = short && shapes.every(({ source, target }) => Math.max(source, target) <= longestShort);
    const { forward, causal: triangle, backward } = own ? shortTiles : tiles;
    add(part, 'forward', 'attention', {
      ...{ flops: 4 * d * pairs, executed: 4 * d * run(causal ? triangle : forward) },
      ...{ float32: 8 * h * pairs, bytes: half * d * (2 * q + 2 * k) + full * h * q },
    });
    const counts = { flops: 10 * d * pairs, executed: 10 * d * run(backward), float32: 12 * h * pairs };
    if (own) {
      add(part, 'backward', 'attention', {
        ...{ ...counts, bytes: half * d * (3 * q + 4 * k) + full * h * q },
      });
      return;
    }
    // Besides: row sums of out ⊙ its gradient; the gradient of the queries summed in float32, in memory that is cleared and
    // has 128 rows more for each sequence; copies of the three gradients.
    const summed = full * d * (q + 128 * passes * batch.source.length);
    add(part, 'backward', 'attention', {
      ...{ ...counts, launches: 3 },
      bytes: half * d * (4 * q + 4 * k) + half * d * 2 * q + 2 * full * d * q + 3 * full * h * q,
    });
    add(part, 'backward', 'stream', { bytes: summed });
    add(part, 'backward', 'stream', { bytes: 2 * half * d * (q + 2 * k), launches: 3 });
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

  add('step control', 'forward', 'stream', {});
  embedding(s, s / passes);
  repeat(encoderLayers, () => {
    projection('projections of the encoder', s, d, 3 * d, true);
    bias(s, 3 * d, 1 / encoderLayers);
    attention('attention in the encoder', 'source', 'source', false);
    projection('projections of the encoder', s, d, d, false);
    ending(s);
    projection('feed-forward products', s, d, f, true);
    activation(s);
    projection('feed-forward products', s, f, d, false);
    ending(s);
  });
  finishSums();
  embedding(t, t / passes);
  // The keys and values of every layer of the decoder are one product.
  projection('keys and values of the source', s, d, 2 * d * decoderLayers, false);
  bias(s, 2 * d * decoderLayers, 0);
  repeat(decoderLayers, () => {
    projection('projections of the decoder', t, d, 3 * d, true);
    bias(t, 3 * d, 1 / decoderLayers);
    attention('attention in the decoder', 'target', 'target', true);
    projection('projections of the decoder', t, d, d, false);
    ending(t);
    projection('projections of the decoder', t, d, d, true);
    bias(t, d, 0);
    attention('attention to the source', 'target', 'source', false);
    projection('projections of the decoder', t, d, d, false);
    ending(t);
    projection('feed-forward products', t, d, f, true);
    activation(t);
    projection('feed-forward products', t, f, d, false);
    ending(t);
  });
  finishSums();

  for (let first = 0; first < positions; first += chunkRows) {
    const rows = passes * Math.min(chunkRows, positions - first);
    const flops = 2 * rows * d * v;
    const moved = half * (rows * d + v * d + rows * v);
    // Of several chunks each pass has a weight gradient of its own.
    const parts = positions > chunkRows ? passes : 1;
    add('output projection', 'forward', 'product', { flops, bytes: moved });
    // Losses and gradient in one operation: each logit read once, its gradient written in its place.
    add('R-Drop loss', 'forward', 'stream', { float32: 20 * rows * v, bytes: 2 * half * rows * v });
    add('output projection', 'backward', 'product', { flops, bytes: moved });
    add('output projection', 'backward', 'product', {
      flops,
      bytes: half * rows * (d + v) + full * v * d * (2 * parts - (first === 0 ? 1 : 0)),
      launches: parts,
    });
  }

  add('gradient norm', 'update', 'stream', { float32: 2 * parameters, bytes: full * parameters });
  add('step control', 'update', 'stream', {});
  // Master, gradient and both moments in; master, both moments and the copy for the products out.
  add('optimizer', 'update', 'stream', { float32: 16 * parameters, bytes: (7 * full + half) * parameters });
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

/** The kernels of each part and phase by the names that a recorded step gives them: <file>/<kernel>. */
const kernelNames = {
  'step control': { forward: ['step_control/BeginKernel'], update: ['step_control/FinishKernel'] },
  'embedding + position + dropout': {
    forward: ['embedding/ForwardKernel'],
    backward: ['embedding/GroupKernel', 'embedding/TokenKernel'],
  },
  'bias gradients': { backward: ['column_sums/SumKernel'] },
  'sums over rows': { backward: ['column_sums/SumKernel'] },
  'residual + dropout + norm': {
    forward: ['dropout_residual_norm/ForwardKernel'],
    backward: ['dropout_residual_norm/BackwardKernel'],
  },
  activation: { backward: ['activation/BackwardKernel'] },
  'R-Drop loss': { forward: ['rdrop_loss/LossKernel'] },
  'gradient norm': { update: ['adam/SquaresKernel'] },
  optimizer: { update: ['adam/StepKernel'] },
};
const attentionNames = {
  forward: ['short_attention/ShortForwardKernel'],
  backward: ['short_attention_backward/ShortBackwardKernel'],
};

/**
 * How often a recorded step has a node of each name, its update included, where all sequences are short.
 *
 * @param {Kernel[]} kernels
 * @returns {Map<string, number>}
 */
export function recordedNodes(kernels) {
  const nodes = new Map();
  for (const { part, phase, kind, launches, times } of kernels) {
    const names =
      kind === 'product'
        ? ['cublasLtMatmul']
        : kind === 'attention'
          ? attentionNames[phase]
          : kernelNames[part][phase];
    for (const name of names) nodes.set(name, (nodes.get(name) ?? 0) + (launches * times) / names.length);
  }
  for (const [name, count] of nodes) nodes.set(name, Math.round(count));
  return nodes;
}

/** Matrix operations that the mathematics needs; what a share of the peak is counted from. */
export const matrixOperations = (kernels) => sum(kernels.map(({ flops, times }) => flops * times));
