// One study of docs/evidence.md from data to table: tunes every condition on the validation part with the same effort, trains all seeds
// with what it found, writes the report and the machine-readable results. Interrupted, the same command continues.
//
//   node benchmarks/evidence.mjs demo|trec|shakespeare|multi30k --out DIRECTORY [--shared DIRECTORY] [--parallel 0] [--limit-seeds N]
//
// --shared: where classification/, language_model/ and multi30k/ lie (trec.train.txt.gz and so on). --limit-seeds: only the first N seeds,
// to see it work. Writes DIRECTORY/results.json (plan, tuning, runs, analysis), results.md (what docs/evidence.md shows of it),
// figures.svg, cost.svg, and DIRECTORY/report/.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { commit } from '../dist/benchmark/measure.js';
import { openDemo } from '../dist/demo/demo.js';
import { prepareCorpus, prepareTask, sweep, writeReport } from '../dist/index.js';
import { processorName } from '../dist/util/processor.js';
import { analyze } from './evidence/analysis.mjs';
import { curveOf, plots, tables } from './evidence/page.mjs';
import { studies } from './evidence/studies.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    shared: { type: 'string' },
    parallel: { type: 'string', default: '0' },
    'limit-seeds': { type: 'string' },
  },
});
const [name] = positionals;
const study = studies[name];
if (study === undefined || values.out === undefined) {
  console.error(`expected one of ${Object.keys(studies).join(', ')} and --out DIRECTORY`);
  process.exit(2);
}
const out = resolve(values.out);
const shared = () => {
  if (values.shared === undefined) throw new Error(`${name}: expected --shared DIRECTORY`);
  return resolve(values.shared);
};
const unpacked = (path) => gunzipSync(readFileSync(path)).toString('utf8');

/** The prepared directory of the study, made once. */
async function data() {
  const prepared = join(out, 'data');
  if (name === 'demo') return (await openDemo({ directory: join(out, 'demo') })).data;
  if (existsSync(join(prepared, 'text.json'))) return prepared;
  const text = join(out, 'text');
  mkdirSync(text, { recursive: true });
  if (name === 'trec') {
    const file = (split) => join(shared(), 'classification', `trec.${split}.txt.gz`);
    const files = { train: file('train'), test: file('test'), format: 'trec' };
    const how = { validFraction: 500 / 5452, seed: 1, pieces: 'words', lang: 'en', lowercase: true };
    await prepareTask({ task: 'classification', ...files, ...how, out: prepared });
  } else if (name === 'shakespeare') {
    const all = unpacked(join(shared(), 'language_model', 'tinyshakespeare.txt.gz'));
    const cut = [0, Math.floor(all.length * 0.9), Math.floor(all.length * 0.95), all.length];
    ['train', 'valid', 'test'].forEach((split, i) => {
      writeFileSync(join(text, `${split}.txt`), all.slice(cut[i], cut[i + 1]));
    });
    const file = (split) => join(text, `${split}.txt`);
    const files = { train: file('train'), valid: file('valid'), test: file('test') };
    await prepareTask({ task: 'language-model', ...files, pieces: 'characters', out: prepared });
  } else {
    for (const lang of ['de', 'en']) {
      const lines = unpacked(join(shared(), 'multi30k', `train.${lang}.gz`)).split('\n');
      writeFileSync(join(text, `train.${lang}`), `${lines.slice(0, study.pairs).join('\n')}\n`);
    }
    const prefix = (split) => join(shared(), 'multi30k', split);
    const files = { train: join(text, 'train'), valid: prefix('val'), test: prefix('test_2016_flickr') };
    await prepareCorpus({
      source: 'de',
      target: 'en',
      ...files,
      bpe: study.merges,
      lowercase: true,
      out: prepared,
    });
  }
  return prepared;
}

/** A sweep to its end; result.json by trial. */
async function train(config, options) {
  const results = [];
  for await (const event of sweep(config, { parallel: Number(values.parallel), ...options })) {
    if (event.type === 'finish') results.push({ trial: event.trial, result: event.result });
    if (event.type === 'fail') throw new Error(`${event.trial.name}: ${event.error.message}`);
  }
  return results;
}

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const scoreOf = ({ validScore, validBleu }) => validScore?.value ?? validBleu;
const isBetter = ({ validScore }) => (validScore?.mode === 'min' ? (a, b) => a < b : (a, b) => a > b);
const directionOf = (condition) => (condition === 'one-pass-long' ? 'one-pass' : condition);

/** Every setting of a grid: { path: value, … }. */
const settingsOf = (grid) =>
  Object.entries(grid).reduce(
    (settings, [path, values]) =>
      settings.flatMap((setting) => values.map((value) => ({ ...setting, [path]: value }))),
    [{}],
  );
const optionAt = (options, path) => path.split('.').reduce((part, key) => part[key], options);

/** The setting of a condition whose mean on the validation part is the best; of equal ones the first. */
async function tuned(condition, config) {
  const grid = study.settings[condition];
  const directory = join(out, 'tuning', condition);
  const shorter = { ...config, maxUpdates: study.tuningUpdates ?? config.maxUpdates };
  const results = (
    await train(shorter, { directory, directions: [condition], seeds: study.tuningSeeds, grid })
  ).map(({ trial, result }) => ({
    ...{ result, config: JSON.parse(readFileSync(join(directory, trial.name, 'config.json'), 'utf8')) },
  }));
  const table = settingsOf(grid).map((setting) => {
    const own = results.filter((run) =>
      Object.entries(setting).every(([path, value]) => optionAt(run.config, path) === value),
    );
    return { setting, validation: mean(own.map(({ result }) => scoreOf(result))) };
  });
  const better = isBetter(results[0].result);
  const { setting } = table.reduce((a, b) => (better(b.validation, a.validation) ? b : a));
  return { setting, table };
}

const withOption = (options, path, value) => {
  const copy = structuredClone(options);
  const keys = path.split('.');
  const last = keys.pop();
  keys.reduce((part, key) => (part[key] ??= {}), copy)[last] = value;
  return copy;
};

const config = { ...study.train, data: await data() };
const limit = values['limit-seeds'] === undefined ? study.seeds.length : Number(values['limit-seeds']);
const chosen = {};
const runs = [];
let signature = null;
const directories = [];
const { task } = config;
const curveMetric = { classification: 'accuracy', 'language-model': 'perplexity' }[task];
for (const condition of study.conditions) {
  const direction = directionOf(condition);
  chosen[direction] ??= await tuned(direction, config);
  const { setting } = chosen[direction];
  let own = Object.entries(setting).reduce(
    (options, [path, value]) => withOption(options, path, value),
    config,
  );
  if (condition === 'one-pass-long') own = { ...own, maxUpdates: 2 * own.maxUpdates };
  const directory = join(out, 'study', condition);
  directories.push(directory);
  const seeds = study.seeds.slice(0, limit);
  for (const { trial, result } of await train(own, { directory, directions: [direction], seeds })) {
    const { testScore, testBleu, updates, seconds, bestUpdate } = result;
    ({ signature } = testScore ?? testBleu);
    runs.push({
      ...{ condition, name: trial.name, seed: trial.seed, setting },
      ...{ test: testScore?.score ?? testBleu?.score, validation: scoreOf(result) },
      // Every metric by name; of several kinds of BLEU the first, which is the study's.
      scores: Object.fromEntries(result.scores.toReversed().map(({ name, score }) => [name, score])),
      ...{ updates, bestUpdate, seconds, curve: curveOf(join(directory, trial.name), curveMetric) },
    });
  }
}
await writeReport(directories, join(out, 'report'));
const measured = { metric: study.metric, seeds: study.seeds.slice(0, limit), runs };
const found = {
  ...{ study: name, plan: study, signature, ...measured, tuning: chosen, analysis: analyze(measured) },
  conditions: {
    ...{ device: processorName(), cores: cpus().length, node: process.versions.node, commit: commit() },
    libtorch: JSON.parse(readFileSync(join(directories[0], `${runs[0].name}`, 'environment.json'), 'utf8'))
      .compiledAgainst,
  },
};
const write = (file, text) => writeFileSync(join(out, file), text);
write('results.json', `${JSON.stringify(found)}\n`);
const page = tables(found);
write('results.md', `${[page.primary, page.conditions, page.pairs, page.grid].join('\n\n')}\n`);
const drawn = plots(found);
write('figures.svg', drawn.figures);
write('cost.svg', drawn.cost);
console.log(`${runs.length} runs: ${join(out, 'results.md')}, ${join(out, 'report', 'report.html')}`);
