// Tokens a second of one run over W processes against one process with as many threads: the same updates, each of 2 batches
// a process pair (W batches, of which each rank takes one; one process accumulates them). The sides are alive side by side and
// take turns, so that what else the machine does hits all of them.
//
//   node benchmarks/distributed.mjs [--shape iwslt14-16x24] [--processes 2,4] [--threads 1] [--rounds 7] [--gradients float32] [--out FILE]
//
// A row: W processes × T threads and one process × W·T threads, target tokens of one pass a second (median of the rounds), their ratio (median of the
// ratios of each round), and the share of a step that rank 0 waited for the others and the network. A W that asks for more threads than there are cores is measured all
// the same and says so. Prints one JSON document.
import { fork } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commit, median } from '../dist/benchmark/measure.js';
import { benchLoss, benchOptimizer, stepShapes } from '../dist/benchmark/shapes.js';
import { batchSource } from '../dist/benchmark/step_sides.js';
import { packBatch } from '../dist/model/pack.js';
import { distributedLibrary, native } from '../dist/native/binding.js';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'iwslt14-16x24' },
    processes: { type: 'string', default: '2,4' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '7' },
    gradients: { type: 'string', default: 'float32' },
    out: { type: 'string' },
  },
});

/** In a child: `set` joins and builds, `turn` takes the updates of a turn and answers with the seconds and the waiting. */
function serve() {
  let group = null;
  let trainer;
  let batches;
  const calls = {
    async set({ shape, threads, join, gradientType, count, seed }) {
      await native().setThreads(threads);
      if (join !== null) group = await native().Group.create({ ...join, library: distributedLibrary() });
      const [{ model, batch }] = stepShapes(shape, false);
      const next = batchSource(seed, model.vocabSize);
      batches = Array.from({ length: count }, () => packBatch(next(batch)));
      const runtime = { seed: 1, device: 'cpu', precision: 'float32' };
      trainer = await native().Trainer.create(
        await native().Transformer.create(model, runtime),
        benchOptimizer,
        { ...benchLoss, direction: 'uni' },
        group === null ? null : { group, gradientType, bucketBytes: 25e6, backend: 'gloo' },
      );
      return null;
    },
    async turn(steps) {
      const waited = group?.waitedSeconds() ?? 0;
      const start = performance.now();
      for (let i = 0; i < steps; i++) await trainer.step(batches);
      const seconds = (performance.now() - start) / 1000 / steps;
      return { seconds, waited: ((group?.waitedSeconds() ?? 0) - waited) / steps };
    },
  };
  process.on('message', async ([name, argument]) => {
    try {
      process.send({ value: await calls[name](argument) });
    } catch (error) {
      process.send({ error: String(error) });
    }
  });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

class Side {
  constructor(size) {
    this.ranks = Array.from({ length: size }, () =>
      fork(fileURLToPath(import.meta.url), { env: { ...process.env, RDROP_BENCHMARK_RANK: '1' } }),
    );
  }
  async call(name, argumentOf) {
    return await Promise.all(
      this.ranks.map(
        (rank, i) =>
          new Promise((resolve, reject) => {
            rank.once('message', ({ value, error }) => (error ? reject(new Error(error)) : resolve(value)));
            rank.send([name, argumentOf(i)]);
          }),
      ),
    );
  }
  end() {
    for (const rank of this.ranks) rank.kill('SIGKILL');
  }
}

async function compare(size) {
  const threads = Number(values.threads);
  const [{ batch, stepsATurn }] = stepShapes(values.shape, false);
  const tokens = batch.target.reduce((a, b) => a + b, 0) * size;
  const common = { shape: values.shape, gradientType: values.gradients };
  const sides = { together: new Side(size), alone: new Side(1) };
  try {
    const port = await freePort();
    await sides.together.call('set', (rank) => ({
      ...common,
      ...{ threads, count: 1, seed: rank },
      join: {
        ...{ rank, worldSize: size, address: '127.0.0.1', port, serve: rank === 0, prefix: 'benchmark' },
        ...{ timeoutSeconds: 60, joinSeconds: 60, backend: 'gloo' },
      },
    }));
    await sides.alone.call('set', () => ({
      ...{ ...common, threads: threads * size, count: size, seed: 0, join: null },
    }));
    const rows = [];
    for (let round = -1; round < Number(values.rounds); round++) {
      const [first] = await sides.together.call('turn', () => stepsATurn);
      const [other] = await sides.alone.call('turn', () => stepsATurn);
      process.stderr.write(
        `${size}: ${first.seconds.toFixed(3)} s (${first.waited.toFixed(3)} waiting), ${other.seconds.toFixed(3)} s\n`,
      );
      if (round >= 0) rows.push({ together: first.seconds, waited: first.waited, alone: other.seconds });
    }
    return {
      processes: size,
      threads,
      tokensPerSecond: tokens / median(rows.map(({ together }) => together)),
      oneProcess: tokens / median(rows.map(({ alone }) => alone)),
      ratio: median(rows.map(({ together, alone }) => alone / together)),
      waiting: median(rows.map(({ together, waited }) => waited / together)),
      moreThreadsThanCores: threads * size > cpus().length,
    };
  } finally {
    for (const side of Object.values(sides)) side.end();
  }
}

if (process.env.RDROP_BENCHMARK_RANK !== undefined) {
  serve();
} else {
  const rows = [];
  for (const size of values.processes.split(',').map(Number)) rows.push(await compare(size));
  const { compiledAgainst: libtorch, instructionSet } = native().info();
  const document = {
    conditions: {
      ...{
        shape: values.shape,
        gradients: values.gradients,
        rounds: Number(values.rounds),
        device: processorName(),
      },
      ...{
        cores: cpus().length,
        libtorch,
        instructionSet,
        node: process.versions.node,
        loadAverage: loadavg()[0],
      },
      ...{ commit: commit(), date: new Date().toISOString() },
    },
    rows,
  };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (values.out !== undefined) {
    writeFileSync(`${values.out}.part`, text);
    renameSync(`${values.out}.part`, values.out);
  }
  process.stdout.write(text);
}
