// Lets every allocation of every operation fail in turn (failing_memory.c is preloaded): the operation then says
// OUT_OF_MEMORY, and gives the same bits as ever when it is called again. Arguments: the control file; the least size in
// bytes; every how many-th allocation. Prints {tried, wrong} as JSON.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { native } from '../../dist/native/binding.js';

const [path, least, every] = process.argv.slice(2);
const file = openSync(path, 'r+');
const control = (values) => writeSync(file, new BigInt64Array(values.map(BigInt)), 0, 8 * values.length, 0);
function failed() {
  const values = new BigInt64Array(4);
  readSync(file, values, 0, 32, 0);
  return Number(values[3]);
}

const core = native();
await core.setThreads(2);
const config = {
  ...{ vocabSize: 300, embedDim: 32, ffnDim: 64, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
  ...{ attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu', shareEmbeddings: 'all' },
  ...{ maxPositions: 64, sourceVocabSize: 300 },
};
const runtime = (precision) => ({ seed: 1, device: 'cpu', precision });
const loss = { direction: 'bi', alpha: 1, labelSmoothing: 0.1, ignoreIndex: -1, passReduction: 'sum' };
const optimizer = {
  ...{ schedule: 'constant', learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 },
};
const side = {
  tokens: Int32Array.from({ length: 12 * 9 }, (_, i) => (i % 9 === 8 ? 2 : 4 + ((i * 31) % 290))),
  offsets: Int32Array.from({ length: 13 }, (_, i) => i * 9),
};
const batch = { source: side, target: side };
const beam = { beam: 3, lengthPenalty: 1, maxLenA: 1, maxLenB: 5, minLen: 1, nBest: 2 };
const logits = Float32Array.from({ length: 2 * 40 * 300 }, (_, i) => 5 * Math.sin(i * 1.7));
const targets = Int32Array.from({ length: 40 }, (_, i) => i);

/** Numbers of any answer, as one text. */
const bits = (value) =>
  JSON.stringify(value, (key, each) => {
    if (key === 'seconds') return undefined;
    if (each instanceof Map) return [...each].map(([name, data]) => [name, bits(data)]);
    return ArrayBuffer.isView(each)
      ? Buffer.from(each.buffer, each.byteOffset, each.byteLength).toString('base64')
      : each;
  });

const tried = {};
const wrong = [];
for (const precision of ['float32', 'bfloat16']) {
  const model = await core.Transformer.create(config, runtime(precision));
  const trainer = await core.Trainer.create(
    await core.Transformer.create(config, runtime(precision)),
    optimizer,
    loss,
  );
  const counters = await trainer.counters();
  const [[name]] = model.parameterShapes;
  const moment = await trainer.readMoment('first', name, 0, 300 * 32);
  const parameters = await model.parameters();
  const operations = {
    async create() {
      const made = await core.Transformer.create(config, runtime(precision));
      const values = await made.parameters();
      made.dispose();
      return values;
    },
    parameters: () => model.parameters(),
    setParameters: () => model.setParameters(parameters),
    logits: () => model.logits(batch),
    lossAndGradients: () =>
      model.lossAndGradients(batch, loss, { secondSource: null, training: true, update: 3 }),
    evaluate: () => model.evaluate(batch, loss),
    translate: () => model.translate(side, beam),
    snapshot: async () => (await model.snapshot()).read(name, 0, 300 * 32),
    write: () => model.write(name, 0, 300 * 32, parameters.get(name)),
    counters: () => trainer.counters(),
    setCounters: () => trainer.setCounters(counters),
    readMoment: () => trainer.readMoment('first', name, 0, 300 * 32),
    writeMoment: () => trainer.writeMoment('first', name, 0, 300 * 32, moment),
    rdropLoss: () => core.rdropLoss(logits, 300, targets, loss),
    rdropLossSync: async () => core.rdropLossSync(logits, 300, targets, loss),
  };
  const expected = {};
  for (const [name, call] of Object.entries(operations)) expected[name] = bits(await call());
  for (const [name, call] of Object.entries(operations)) {
    for (let n = 0; ; n += Number(every)) {
      control([n % 2 === 0 ? 1 : 2, n, least, 0]);
      let said = null;
      try {
        await call();
      } catch (error) {
        said = error.code ?? String(error);
      }
      const reached = failed() > 0;
      control([0, 0, 0, 0]);
      if (!reached) break;
      tried[name] = (tried[name] ?? 0) + 1;
      // An allocation that can be done without may fail unnoticed; then the answer is right, which is tested below.
      if (said !== null && said !== 'OUT_OF_MEMORY') wrong.push(`${precision} ${name} ${n}: ${said}`);
      if (bits(await call()) !== expected[name])
        wrong.push(`${precision} ${name} ${n}: other bits afterwards`);
    }
  }
  // A step changes the model: after one that failed the state is as before, and the next gives what it would have given.
  const fresh = async () => {
    const subject = await core.Trainer.create(
      await core.Transformer.create(config, runtime(precision)),
      optimizer,
      loss,
    );
    return subject;
  };
  const once = await fresh();
  const steps = [bits(await once.step([batch])), bits(await once.step([batch, batch]))];
  once.dispose();
  for (let n = 0; ; n += Number(every)) {
    const subject = await fresh();
    const got = [bits(await subject.step([batch]))];
    control([n % 2 === 0 ? 1 : 2, n, least, 0]);
    let said = null;
    try {
      got.push(bits(await subject.step([batch, batch])));
    } catch (error) {
      said = error.code ?? String(error);
    }
    const reached = failed() > 0;
    control([0, 0, 0, 0]);
    if (reached) tried.step = (tried.step ?? 0) + 1;
    if (said !== null && said !== 'OUT_OF_MEMORY') wrong.push(`${precision} step ${n}: ${said}`);
    if (said !== null) got.push(bits(await subject.step([batch, batch])));
    if (bits(got) !== bits(steps)) wrong.push(`${precision} step ${n}: other bits afterwards`);
    subject.dispose();
    if (!reached) break;
  }
  model.dispose();
  trainer.dispose();
}
closeSync(file);
process.stdout.write(JSON.stringify({ tried, wrong }));
