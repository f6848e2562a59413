// What the fault tests do in a process of its own: scenario.mjs <name> <directory> <data>. Prints one line of JSON: {ok: true} or
// the code and the message of the error. Every scenario goes on from whatever an earlier, disturbed call has left.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tinyOptions } from './tiny_options.mjs';

const [, , name, directory, data, dist] = process.argv;
const options = { ...tinyOptions, data };
const load = (file) => import(pathToFileURL(join(dist, file)).href);

async function train(runDirectory, stopAt = 0) {
  const { Trainer } = await load('training/trainer.js');
  const there = existsSync(join(runDirectory, 'config.json'));
  const trainer = there
    ? await Trainer.resume(runDirectory)
    : await Trainer.create({ ...options, runDirectory });
  try {
    for await (const event of trainer.fit())
      if (event.type === 'checkpoint' && event.update === stopAt) return;
  } finally {
    await trainer.dispose();
  }
}

const scenarios = {
  async prepare() {
    const { prepareCorpus } = await load('data/preparation/prepare.js');
    const prefix = (split) => join(data, 'raw', split);
    const [train, valid] = [prefix('test'), prefix('valid')];
    const text = { source: 'de', target: 'en', tokenizer: 'none', minLength: 1, maxLength: 0, ratio: 0 };
    await prepareCorpus({ ...text, train, valid, bpe: 4, out: join(directory, 'out'), overwrite: true });
  },
  train: () => train(join(directory, 'run')),
  half: () => train(join(directory, 'run'), 3),
  async sweep() {
    const { sweep } = await load('sweep/sweep.js');
    const { seed: _, ...config } = options;
    const plan = {
      directory: join(directory, 'sweep'),
      seeds: [3],
      directions: ['uni', 'baseline'],
      parallel: 1,
    };
    for await (const event of sweep({ ...config, maxUpdates: 3 }, plan)) {
      if (event.type === 'fail') throw event.error;
    }
  },
  async report() {
    const { writeReport } = await load('report/report.js');
    await writeReport(join(directory, 'run'), join(directory, 'report'));
  },
};

try {
  await scenarios[name]();
  process.stdout.write(`${JSON.stringify({ ok: true })}\n`);
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ code: error.code, name: error.name, message: error.message, stack: error.stack })}\n`,
  );
}
