import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainOptions } from '../../lib/options/index.js';
import type { TrainEvent } from '../../lib/training/train_events.js';
import { Trainer } from '../../lib/training/trainer.js';

/** A directory for one test file; call `remove` in afterAll. */
export async function workplace(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'rdrop-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** The reversal task as a prepared directory: the target is the source backwards. 12 words, 2 to 6 a sentence. */
export async function makeReversalData(directory: string, sizes = { train: 160, valid: 16, test: 16 }) {
  const words = Array.from({ length: 12 }, (_, i) => `w${i}`);
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % below;
  };
  await mkdir(join(directory, 'raw'), { recursive: true });
  for (const [split, count] of Object.entries(sizes)) {
    const source = Array.from({ length: count }, () =>
      Array.from({ length: 2 + random(5) }, () => words[random(words.length)]!),
    );
    const text = (lines: string[][]) => lines.map((line) => `${line.join(' ')}\n`).join('');
    const target = source.map((line) => [...line].reverse());
    for (const place of split === 'train' ? [''] : ['', 'raw']) {
      await writeFile(join(directory, place, `${split}.de`), text(source));
      await writeFile(join(directory, place, `${split}.en`), text(target));
    }
  }
  await writeFile(join(directory, 'dict.txt'), words.map((word) => `${word} 1\n`).join(''));
  const config = { version: 1, source: 'de', target: 'en', tokenizer: 'none', normalize: false };
  await writeFile(join(directory, 'text.json'), JSON.stringify({ ...config, lowercase: false, bpe: 0 }));
}

/** A model of a few thousand parameters; everything over in a second. */
export const tinyOptions = (data: string, runDirectory: string) =>
  ({
    data,
    runDirectory,
    seed: 3,
    device: 'cpu',
    threads: 1,
    model: { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
    optimizer: { learningRate: 5e-3, warmupUpdates: 20 },
    batches: { maxTokens: 128 },
    maxUpdates: 30,
    logInterval: 10,
    validation: { interval: 10, metric: 'loss', beam: { beam: 2, maxLenA: 0, maxLenB: 10 } },
    test: { beam: { beam: 2, maxLenB: 10 } },
  }) satisfies TrainOptions;

export async function fitAll(trainer: Trainer, signal?: AbortSignal): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit({ signal })) events.push(event);
  return events;
}

/** Trains from the beginning to the end. */
export async function trainAll(options: TrainOptions): Promise<TrainEvent[]> {
  using trainer = await Trainer.create(options);
  return await fitAll(trainer);
}

/** The file of the parameters: equal bytes are equal parameters. */
export const modelBytes = (runDirectory: string, name = 'last') =>
  readFile(join(runDirectory, 'checkpoints', name, 'model.safetensors'));

export async function metricsOf(runDirectory: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
