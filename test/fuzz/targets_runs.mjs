// What a run, its preparation and its command line are described by. Those that read a directory are given one in
// which a single file is the input.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assignment } from '../../dist/cli/shared/assignments.js';
import { toNumber } from '../../dist/cli/shared/number_flag.js';
import { trainOptions } from '../../dist/cli/train.js';
import { loadCorpus } from '../../dist/data/corpus.js';
import { checkManifest } from '../../dist/data/manifest.js';
import { judgeLock } from '../../dist/lock/lock_state.js';
import { beamSchema, parseConfig, sweepSchema, trainSchema } from '../../dist/options/index.js';
import { readRuns } from '../../dist/report/runs.js';
import { openPlan } from '../../dist/sweep/plan.js';
import { Dictionary } from '../../dist/text/dictionary.js';
import { readTextConfig } from '../../dist/text/pipeline.js';
import { openCheckpoint } from '../../dist/training/checkpoint.js';
import { MetricsLog } from '../../dist/training/metrics.js';
import { readRunConfig } from '../../dist/training/run/run_directory.js';
import { readJsonFile } from '../../dist/util/files/files.js';
import {
  byLines,
  byStructure,
  bytes,
  file,
  inDirectory,
  json,
  jsonTokens,
  sha256,
  text,
} from './samples.mjs';

const textConfig = {
  version: 1,
  source: 'de',
  target: 'en',
  tokenizer: 'moses',
  normalize: true,
  lowercase: false,
  bpe: 0,
};
const trainOptionsSample = {
  data: 'data',
  runDirectory: 'run',
  seed: 1,
  model: { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
  loss: { direction: 'uni', alpha: 5, labelSmoothing: 0.1 },
  batches: { maxTokens: 128 },
  optimizer: { learningRate: 3e-3, warmupUpdates: 5 },
  maxUpdates: 20,
};
const prepared = {
  'dict.txt': 'a 3\nb 2\n',
  'text.json': JSON.stringify({ ...textConfig, tokenizer: 'none', normalize: false }),
  'valid.de': 'a b\na\n',
  'valid.en': 'b\na b\n',
  'raw/valid.de': 'a b\na\n',
  'raw/valid.en': 'b\na b\n',
  'train.de': 'a b\na\n',
  'train.en': 'b\na b\n',
};
// Of a run of the preset tiny, with 4 updates.
const manifest = {
  version: 1,
  files: Object.fromEntries(
    ['dict.txt', 'train.de'].map((name) => [
      name,
      { bytes: prepared[name].length, sha256: sha256(prepared[name]) },
    ]),
  ),
};

const sample = (name) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`samples/${name}`, import.meta.url))));
const metrics = sample('metrics.jsonl');
const result = sample('result.json');
const environment = sample('environment.json');
const resolved = JSON.parse(text(sample('config.json')));
const run = {
  'run/config.json': JSON.stringify(resolved),
  'run/environment.json': environment,
  'run/metrics.jsonl': metrics,
  'run/result.json': result,
};
/** The directory of a run in which one file is the input, as a report reads it. */
const ofRun = (name) => inDirectory(`run/${name}`, (world) => readRuns([join(world, 'run')]), run);

const { sha256: _, ...state } = JSON.parse(text(sample('state.json')));
const signed = (body) => json({ ...body, sha256: sha256(JSON.stringify(body)) });
/** A state that fits its own SHA-256 although it is mutated. */
const bySignedState = (_, random) => {
  const body = JSON.parse(text(byStructure(json(state), random)));
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? signed(body) : json(body);
};

export const targets = {
  text_json: {
    seeds: () => [json(textConfig)],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...inDirectory('text.json', readTextConfig),
  },
  run_config: {
    seeds: () => [json(resolved)],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...inDirectory('config.json', readRunConfig),
  },
  checkpoint_state: {
    seeds: () => [signed(state)],
    tokens: jsonTokens,
    mutators: [bySignedState],
    ...inDirectory('state.json', async (world) => void (await openCheckpoint(world))),
  },
  metrics: {
    seeds: () => [metrics],
    tokens: [...jsonTokens, '\n', '{"type":"valid"}'],
    mutators: [byLines],
    ...inDirectory('metrics.jsonl', async (world) => {
      await new MetricsLog(join(world, 'metrics.jsonl')).rewind(5, 5);
      // Damaged lines are kept aside.
      rmSync(join(world, 'metrics.jsonl.damaged'), { force: true });
    }),
  },
  manifest: {
    seeds: () => [json(manifest)],
    tokens: [...jsonTokens, '../', '/dev/zero'],
    mutators: [byStructure],
    ...inDirectory('data/manifest.json', (world) => checkManifest(join(world, 'data')), {
      'data/dict.txt': prepared['dict.txt'],
      'data/train.de': prepared['train.de'],
    }),
  },
  report_metrics: {
    seeds: () => [metrics],
    tokens: [...jsonTokens, '\n'],
    mutators: [byLines],
    ...ofRun('metrics.jsonl'),
  },
  report_result: {
    seeds: () => [result],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...ofRun('result.json'),
  },
  report_environment: {
    seeds: () => [environment],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...ofRun('environment.json'),
  },
  report_config: {
    seeds: () => [json(resolved)],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...ofRun('config.json'),
  },
  sweep_plan: {
    seeds: () => [json({ version: 1, seeds: [1, 2], directions: ['uni', 'bi'], config: resolved, data: {} })],
    tokens: jsonTokens,
    mutators: [byStructure],
    ...inDirectory(
      'sweep/sweep.json',
      async (world) => {
        const { runDirectory: _, ...shared } = trainOptionsSample;
        const sweep = parseConfig(
          sweepSchema,
          { directory: join(world, 'sweep'), seeds: [1], directions: ['uni'] },
          'sweep',
        );
        await openPlan({ ...shared, data: join(world, 'data') }, sweep);
      },
      Object.fromEntries(Object.entries(prepared).map(([path, content]) => [`data/${path}`, content])),
    ),
  },
  lock: {
    seeds: () => [
      json({ pid: 17, host: 'gone', started: '1234' }),
      json({
        pid: 1,
        host: 'x',
        started: null,
        id: 'a',
        boot: 'b',
        pidNamespace: 'c',
        kernelLock: false,
        lease: 1000,
      }),
    ],
    tokens: jsonTokens,
    mutators: [byStructure],
    run: file((path) => judgeLock(path, Date.now())),
  },
  json_file: {
    seeds: () => [json(trainOptionsSample)],
    tokens: jsonTokens,
    mutators: [byStructure],
    run: file(async (path) => void parseConfig(trainSchema, await readJsonFile(path), 'config')),
  },
  cli_numbers: {
    seeds: () => ['1', '-2.5', '1e5', '0x10', '  7', '1,2', 'NaN'].map(bytes),
    tokens: ['e', '.', '-', '+', '_', 'Infinity', '0x', '0b', '\u00a0', '٣', 'n'],
    run: async (input) => {
      let number;
      try {
        number = toNumber(text(input));
      } catch (error) {
        // commander names the option and ends the program.
        if (error.code === 'commander.invalidArgument') return;
        throw error;
      }
      parseConfig(
        beamSchema,
        { beam: number, lengthPenalty: number, maxLenA: number },
        'beam',
        'INVALID_ARGUMENT',
      );
    },
  },
  set_flag: {
    seeds: () =>
      ['maxUpdates=5', 'model.embedDim=16', 'loss={"alpha":1}', '__proto__.x=1', 'a=b=c', 'seed=1e400'].map(
        bytes,
      ),
    tokens: ['=', '.', '__proto__', 'constructor.prototype', '{', '"', ...jsonTokens],
    run: async (input) => {
      const set = text(input);
      assignment(set);
      const flags = { set: [set], data: 'data', run: 'run' };
      parseConfig(trainSchema, await trainOptions(flags), 'config');
    },
  },
  corpus: {
    seeds: () => [bytes('a b\na\n'), new Uint8Array(bytes('a b c\nb\n'))],
    mutators: [byLines],
    ...inDirectory(
      'valid.de',
      async (world) =>
        void (await loadCorpus(world, 'valid', await Dictionary.read(join(world, 'dict.txt')))),
      prepared,
    ),
  },
};
