// What tests of sweeps share: data that no trial reads, a tiny corpus that trials train on, and ways to read events.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareCorpus } from '../../../lib/data/preparation/prepare.js';
import { demoCorpus, writeDemoCorpus } from '../../../lib/demo/corpus.js';
import type { SweepEvent, SweepTrainOptions } from '../../../lib/sweep/sweep.js';

/** A program that plays a trial; a file behavior.json says how. */
export const fakeTrial = fileURLToPath(new URL('../../sweep/fake_trial.mjs', import.meta.url));

/** As much of a prepared directory as a sweep itself looks at. */
export async function writeFakeData(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'dict.txt'), 'a 1\n');
  const text = { source: 'de', target: 'en', tokenizer: 'none', normalize: false, lowercase: false, bpe: 0 };
  await writeFile(join(directory, 'text.json'), JSON.stringify({ version: 1, ...text }));
}

/** Writes 60 sentences of the demo's corpus to `text`, and the same prepared to `out`. */
export async function prepareTinyDemo(text: string, out: string): Promise<void> {
  await writeDemoCorpus(text, demoCorpus({ train: 60, valid: 8, test: 8 }));
  await prepareCorpus({
    ...{ source: 'de', target: 'en', out, bpe: 100 },
    ...{ train: join(text, 'train'), valid: join(text, 'valid'), test: join(text, 'test') },
  });
}

/** Of a training of some seconds. */
export const tinyTraining = (
  data: string,
  maxUpdates: number,
  more: Partial<SweepTrainOptions> = {},
): SweepTrainOptions => ({
  ...{ data, maxUpdates, threads: 1 },
  model: { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1 },
  optimizer: { learningRate: 1e-3, warmupUpdates: 4 },
  batches: { maxTokens: 512 },
  test: { beam: { beam: 2, maxLenB: 10 } },
  ...more,
});

export async function all(events: AsyncGenerator<SweepEvent>): Promise<SweepEvent[]> {
  const list: SweepEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

export const of = <T extends SweepEvent['type']>(events: SweepEvent[], type: T) =>
  events.filter((event): event is SweepEvent & { type: T } => event.type === type);

/** The trials of events, in alphabetical order. */
export const names = (events: SweepEvent[], type: 'start' | 'finish' | 'fail'): string[] =>
  of(events, type)
    .map(({ trial }) => trial.name)
    .sort();
