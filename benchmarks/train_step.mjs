// Time of one R-Drop training step and peak memory of its process, against PyTorch eager written as fairseq writes it
// (peers/train_step.py). Each side runs in a process of its own; steps alternate, one ours, one theirs, on batches of the
// same shape (random tokens, no padding).
//
//   node benchmarks/train_step.mjs [--shape iwslt14|multi30k] [--steps 20] [--threads 2] [--direction uni]
//
// RDROP_PYTHON names a Python that has torch (python3 when unset). Prints one JSON array of rows.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const shapes = {
  iwslt14: {
    ...{ vocabSize: 10_152, embedDim: 512, ffnDim: 1024, heads: 4, layers: 6 },
    ...{ pairs: 16, sourceTokens: 24, targetTokens: 24 },
  },
  multi30k: {
    ...{ vocabSize: 8_000, embedDim: 256, ffnDim: 512, heads: 4, layers: 3 },
    ...{ pairs: 68, sourceTokens: 14, targetTokens: 15 },
  },
};

/** Our side: settings on the first line of standard input, then one step a line. */
async function serve() {
  const { native } = await import('../dist/binding.js');
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const s = JSON.parse((await lines.next()).value);
  await native().setThreads(s.threads);
  const model = await native().Transformer.create(
    {
      ...{ vocabSize: s.vocabSize, embedDim: s.embedDim, ffnDim: s.ffnDim, heads: s.heads },
      ...{ encoderLayers: s.layers, decoderLayers: s.layers, dropout: s.dropout },
      ...{ attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu' },
      ...{ shareEmbeddings: 'all', maxPositions: 1024 },
    },
    { seed: s.seed, device: 'cpu', precision: 'float32' },
  );
  const trainer = await native().Trainer.create(
    model,
    {
      ...{ schedule: 'constant', learningRate: 5e-4, warmupUpdates: 0, warmupInitLearningRate: 0 },
      ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
    },
    {
      ...{ direction: s.direction, alpha: s.alpha, labelSmoothing: s.labelSmoothing },
      ...{ ignoreIndex: 1, passReduction: 'sum' },
    },
  );
  const { compiledAgainst, instructionSet } = native().info();
  const version = `libtorch ${compiledAgainst}, ${instructionSet}`;
  process.stdout.write(`${JSON.stringify({ version, parameters: model.parameterCount })}\n`);
  let state = s.seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 4 + (state % (s.vocabSize - 4));
  };
  const sentences = (length) => {
    const tokens = Int32Array.from({ length: s.pairs * length }, (_, i) => ((i + 1) % length ? random() : 2));
    return { tokens, offsets: Int32Array.from({ length: s.pairs + 1 }, (_, i) => i * length) };
  };
  for await (const _ of lines) {
    const batch = { source: sentences(s.sourceTokens), target: sentences(s.targetTokens) };
    const start = performance.now();
    const { loss } = await trainer.step([batch]);
    const seconds = (performance.now() - start) / 1000;
    const peakMegabytes = process.resourceUsage().maxRSS / 1024;
    process.stdout.write(`${JSON.stringify({ seconds, peakMegabytes, loss })}\n`);
  }
}

function startSide(command, args, settings) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (text) => {
    child.stdin.write(`${text}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args[0]} ended early`);
    return JSON.parse(value);
  };
  return { ask, hello: ask(JSON.stringify(settings)), stop: () => child.stdin.end() };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

async function compare() {
  const { values } = parseArgs({
    options: {
      shape: { type: 'string', default: 'iwslt14' },
      steps: { type: 'string', default: '20' },
      threads: { type: 'string', default: '2' },
      direction: { type: 'string', default: 'uni' },
      serve: { type: 'boolean' },
    },
  });
  if (values.serve) return serve();
  const settings = {
    ...{ ...shapes[values.shape], seed: 1, threads: Number(values.threads), direction: values.direction },
    ...{ dropout: 0.3, alpha: 5, labelSmoothing: 0.1 },
  };
  const peer = fileURLToPath(new URL('peers/train_step.py', import.meta.url));
  const sides = {
    rdrop: startSide(process.execPath, [fileURLToPath(import.meta.url), '--serve'], settings),
    'pytorch eager': startSide(process.env.RDROP_PYTHON ?? 'python3', [peer], settings),
  };
  const times = new Map(Object.keys(sides).map((name) => [name, []]));
  const peaks = new Map();
  for (let step = 0; step < Number(values.steps); step++) {
    for (const [name, side] of Object.entries(sides)) {
      await side.hello;
      const { seconds, peakMegabytes } = await side.ask('step');
      // The first two steps warm up; memory counts all of them.
      if (step >= 2) times.get(name).push(seconds);
      peaks.set(name, peakMegabytes);
    }
  }
  const rows = [];
  for (const [name, side] of Object.entries(sides)) {
    const sorted = times.get(name).sort((a, b) => a - b);
    rows.push({
      ...{ side: name, ...(await side.hello), shape: values.shape, ...settings, steps: Number(values.steps) },
      ...{ medianSeconds: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) },
      peakMegabytes: peaks.get(name),
    });
    side.stop();
  }
  process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
}

await compare();
