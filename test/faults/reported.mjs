// reported.mjs <directory> <data> <dist>: prepares, trains and reports in the directory; prints each thing that is reported as done
// as a line of JSON, and goes on when a line comes back.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { tinyOptions } from './tiny_options.mjs';

const [, , directory, data, dist] = process.argv;
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  await answers.next();
}

const { prepareCorpus } = await load('data/preparation/prepare.js');
const raw = (split) => join(data, 'raw', split);
const text = { source: 'de', target: 'en', tokenizer: 'none', minLength: 1, maxLength: 0, ratio: 0 };
const out = join(directory, 'deep', 'data');
for (const bpe of [4, 8]) {
  await prepareCorpus({ ...text, train: raw('test'), valid: raw('valid'), bpe, out, overwrite: true });
  await tell({ type: 'prepared', merges: bpe });
}

const { Trainer } = await load('training/trainer.js');
const runDirectory = join(directory, 'runs', 'one');
const trainer = await Trainer.create({ ...tinyOptions, data, runDirectory });
for await (const event of trainer.fit()) await tell(event);
trainer.dispose();
await tell({ type: 'disposed' });

const { writeReport } = await load('report/report.js');
await writeReport(runDirectory, join(directory, 'reports', 'one'));
await tell({ type: 'reported' });
const { exportModel } = await load('interchange/export_model.js');
await exportModel({ run: runDirectory, format: 'fairseq', out: join(directory, 'exported') });
await tell({ type: 'exported' });
process.exit(0);
