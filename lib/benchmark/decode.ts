/** `rdrop bench decode`: beam search of a trained run against transformers' generate on the same sentences. */
import { join } from 'node:path';
import { loadCorpus } from '../data/corpus.js';
import { fitPairs, overlongWarning } from '../data/overlong.js';
import { exportModel } from '../interchange/export_model.js';
import { transformerOf } from '../model/transformer.js';
import { translateCorpus } from '../model/translate_corpus.js';
import { withVocabularies } from '../model/vocabularies.js';
import { native } from '../native/binding.js';
import type { BenchConfig } from '../options/benchmark.js';
import { parseConfig } from '../options/schema/parse.js';
import type { TaskName } from '../options/tasks/names.js';
import type { BeamConfig } from '../options/translation.js';
import { beamSchema } from '../options/translation.js';
import { TextPipeline } from '../text/pipeline.js';
import { openRunCheckpoint } from '../training/run/run_checkpoint.js';
import { fromNative, RdropError } from '../util/errors.js';
import { warn } from '../util/warnings.js';
import {
  type BenchContext,
  type BenchRow,
  comparePairs,
  conditionsOf,
  coreConditions,
  interleave,
  roundsOf,
  secondsOf,
} from './measure.js';
import { Peer } from './peer_process.js';
import { withTemporaryDirectory } from './temporary_directory.js';

/** Sentences at a time on the peer's side; ours are batched by tokens. */
const batchSentences = 32;
/** Share of hypotheses that must be the same in float32: nearly equal scores may be ordered otherwise by other roundings. */
const leastEqual = 0.99;

/** @throws RdropError INVALID_ARGUMENT without a run of translation, BENCHMARK_FAILED, those of reading the run and its data */
export const decodeRows = (context: BenchContext): Promise<BenchRow[]> =>
  withTemporaryDirectory((exported) => rowsIn(context, exported));

async function rowsIn(context: BenchContext, exported: string): Promise<BenchRow[]> {
  const { options, python, onProgress } = context;
  const { directory, config, checkpoint } = await openRunCheckpoint(runOf(options), 'best');
  checkTask(config.task, directory);
  const pipeline = await TextPipeline.load(directory);
  const wanted = options.quick ? 4 : options.sentences;
  const sources = await sentencesOf(config.data, pipeline, config.model.maxPositions, options, wanted);
  await fromNative(() => native().setThreads(options.threads));
  const { precision } = options;
  const file = await checkpoint.open('model');
  const model = await transformerOf(
    file.tensors,
    withVocabularies(config.model, pipeline, directory),
    { seed: config.seed, device: 'cpu', precision },
    checkpoint.path,
  ).finally(() => file.close());
  let peer: Peer | undefined;
  try {
    const { maxTokens } = config.batches;
    const search = parseConfig(beamSchema, { ...config.test.beam, beam: options.beam, nBest: 1 }, 'beam');
    const translate = () =>
      translateCorpus(model, sources, { beam: { ...search, nBest: undefined }, maxTokens });
    const measures: Record<string, () => Promise<number>> = { ours: () => secondsOf(translate) };
    const warm = await translate();
    let equal: number | undefined;
    let missing: string | undefined;
    if (python.path !== null) {
      const model = join(exported, 'model');
      const started = await startPeer(python.path, context, { directory, model, sources, search });
      if (typeof started === 'string') {
        missing = started;
        onProgress(`decode: without a peer: ${missing}`);
      } else {
        peer = started;
        const ask = () => started.ask<{ seconds: number; hypotheses: number[][] }>('run');
        measures['peer'] = async () => (await ask()).seconds;
        onProgress('decode: comparing hypotheses');
        equal = shareOfEqual(warm, (await ask()).hypotheses, precision);
      }
    }
    const rounds = roundsOf(options, 'decode');
    onProgress(`decode: ${rounds} rounds`);
    const times = await interleave(rounds, measures, 0, context.signal);
    const rates = (seconds: number[]) => seconds.map((each) => sources.length / each);
    const row: BenchRow = {
      name: `beam search, ${precision}`,
      shape: `${sources.length} sentences, beam ${options.beam}`,
      unit: 'sentences/second',
      ...comparePairs(
        rates(times['ours']!),
        peer === undefined ? null : rates(times['peer']!),
        'ours ÷ peer',
      ),
      peerName: peer === undefined ? null : 'transformers generate, float32',
      conditions: conditionsOf(context, {
        ...{ ratio: 'ours ÷ peer', precision, rounds, ...coreConditions(), run: options.run },
        ...{ ...search, parameters: model.parameterCount, maxTokens },
        ...(equal !== undefined && { equalHypotheses: equal, batchSentences, peerVersion: peer!.version }),
        ...(missing !== undefined && { peerMissing: missing, peerVersion: undefined }),
      }),
    };
    return [row];
  } finally {
    peer?.stop();
    model.dispose();
  }
}

/** @throws RdropError INVALID_ARGUMENT without a run */
export function runOf({ run }: BenchConfig): string {
  if (run !== undefined) return run;
  throw new RdropError(
    'INVALID_ARGUMENT',
    'bench decode: expected --run, a trained run directory, got nothing',
  );
}

function checkTask(task: TaskName, directory: string): void {
  if (task === 'translation') return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `bench.run: expected a run of translation for decode, which measures beam search of sentences, got one of ${task} ` +
      `(${directory}); training of other tasks is measured by the suite step and its shapes`,
  );
}

interface PeerTask {
  directory: string;
  /** Where the run is exported to. */
  model: string;
  sources: readonly Int32Array[];
  search: BeamConfig;
}

/** transformers with the exported run, or why it cannot have it. */
async function startPeer(
  python: string,
  { options, onProgress }: BenchContext,
  { directory, model, sources, search }: PeerTask,
): Promise<Peer | string> {
  onProgress('decode: exporting the run');
  const { lengthPenalty, maxLenA, maxLenB, minLen } = search;
  const { threads } = native().info();
  try {
    await exportModel(
      { run: directory, checkpoint: 'best', format: 'huggingface', out: model },
      { beam: options.beam },
    );
  } catch (error) {
    // What transformers cannot express; whatever else goes wrong is an error.
    if (error instanceof RdropError && error.code === 'NOT_EXPRESSIBLE') return error.message;
    throw error;
  }
  return Peer.startOrReason(python, 'generate.py', {
    ...{ model, sentences: sources.map((source) => [...source]) },
    ...{ beam: options.beam, threads, lengthPenalty, maxLenA, maxLenB, minLen, batchSentences },
  });
}

/** The sources of the test split, or where there is none of the validation split, within the model's positions. */
async function sentencesOf(
  data: string,
  { dictionaries, config: { source } }: TextPipeline,
  maxPositions: number,
  { overlong: policy = 'refuse' }: BenchConfig,
  count: number,
): Promise<Int32Array[]> {
  const read = async (split: 'test' | 'valid') => {
    const corpus = await loadCorpus(data, split, dictionaries);
    const { pairs, overlong } = fitPairs(corpus, {
      limits: [{ most: maxPositions, option: 'model.maxPositions' }],
      policy,
      name: () => join(data, `${split}.${source}`),
      goOn: 'bench.overlong "truncate" or "skip" (--overlong)',
      only: 'source',
    });
    if (overlong !== null) warn(overlongWarning(overlong, corpus.source.length, maxPositions));
    return pairs.source.slice(0, count);
  };
  try {
    return await read('test');
  } catch (error) {
    if (!(error instanceof RdropError) || error.code !== 'FILE_NOT_FOUND') throw error;
    return await read('valid');
  }
}

/** @throws RdropError BENCHMARK_FAILED when too many differ; in bfloat16 the share is reported, for roundings alone change some */
function shareOfEqual(
  ours: readonly { tokens: Int32Array }[],
  theirs: readonly number[][],
  precision: BenchConfig['precision'],
): number {
  const same = ours.filter(({ tokens }, i) => String([...tokens]) === String(theirs[i] ?? [])).length;
  const share = same / ours.length;
  if (share >= leastEqual || precision === 'bfloat16') return share;
  throw new RdropError(
    'BENCHMARK_FAILED',
    `decode: expected the peer's hypotheses for at least ${leastEqual} of the sentences, got ${same} of ${ours.length}`,
  );
}
