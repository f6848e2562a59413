// Prepared directories and runs of the tasks other than translation, small enough for a second each.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareTask } from '../../lib/data/tasks/prepare_task.js';
import type { TrainOptions } from '../../lib/options/index.js';

export type TinyTask = 'language-model' | 'classification' | 'regression';
export const tinyTasks: readonly TinyTask[] = ['language-model', 'classification', 'regression'];

const colors = ['red', 'green', 'blue'] as const;
const things = ['apple', 'stone', 'river', 'house', 'bird', 'cloud'];

function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % below;
  };
}

/** Sentences of a few things, one of which has a color; the label is the color, the value the number of things. */
function examples(count: number, seed: number) {
  const random = numbers(seed);
  return Array.from({ length: count }, () => {
    const words = Array.from({ length: 2 + random(5) }, () => things[random(things.length)]!);
    // Green is rare.
    const color = colors[random(5) % 3 === 1 && random(2) === 0 ? 0 : random(5) % 3]!;
    const value = words.length;
    words.splice(random(words.length + 1), 0, color);
    return { text: words.join(' '), label: color as string, value };
  });
}

/** The rows of a file of labeled texts. */
export function rowsOf(task: TinyTask, count: number, seed: number, pairs = false): string[] {
  return examples(count, seed).map(({ text, label, value }) => {
    if (task === 'language-model') return text;
    const target = task === 'classification' ? label : String(value / 2);
    return [text, ...(pairs ? [`a ${things[value % things.length]}`] : []), target].join('\t');
  });
}

const write = (path: string, lines: readonly string[]) =>
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));

/** A prepared directory `data` below a place, with the files it was made of beside it. */
export async function makeTaskData(
  place: string,
  task: TinyTask,
  {
    train = 120,
    valid = 24,
    test = 24,
    ...options
  }: {
    train?: number;
    valid?: number;
    test?: number;
    pairs?: boolean;
    mode?: 'stream' | 'lines';
    pieces?: string;
  } = {},
): Promise<string> {
  mkdirSync(place, { recursive: true });
  const files = {
    train: join(place, 'train.tsv'),
    valid: join(place, 'valid.tsv'),
    test: join(place, 'test.tsv'),
  };
  write(files.train, rowsOf(task, train, 7, options.pairs));
  write(files.valid, rowsOf(task, valid, 8, options.pairs));
  write(files.test, rowsOf(task, test, 9, options.pairs));
  const out = join(place, 'data');
  await prepareTask({ task, ...files, out, ...options } as Parameters<typeof prepareTask>[0]);
  return out;
}

/** A network of a few thousand parameters. */
export const taskOptions = (task: TinyTask, data: string, runDirectory: string) =>
  ({
    task,
    data,
    runDirectory,
    seed: 3,
    device: 'cpu',
    threads: 1,
    model: {
      ...{ embedDim: 16, ffnDim: 32, heads: 2, dropout: 0.1, maxPositions: 64, positions: 'learned' },
      ...{ initialization: 'bert', activation: 'gelu' },
    },
    loss: { alpha: 1, ...(task !== 'regression' && { labelSmoothing: 0.1 }) },
    optimizer: { learningRate: 5e-3, warmupUpdates: 10 },
    batches: { maxTokens: 128, ...(task === 'language-model' && { tokensPerSample: 16 }) },
    maxUpdates: 30,
    logInterval: 10,
    validation: { interval: 10 },
  }) satisfies TrainOptions;
