import { mergeOptions } from '../options/presets.js';
import type { TrialDirection } from '../options/sweep.js';
import type { PreparedTask, TextPieces } from '../options/tasks/text.js';
import type { SweepTrainOptions } from '../sweep/plan.js';

/** All that decides the numbers of a task's demo; demo.json holds it. */
export interface TaskDemoRecipe {
  version: 1;
  task: PreparedTask;
  text: { seed: number; train: number; valid: number; test: number };
  prepare: { pieces: TextPieces; lang?: 'en'; lowercase: boolean };
  seeds: number[];
  directions: TrialDirection[];
  train: Omit<SweepTrainOptions, 'data'>;
}

/** What differs between the tasks. */
interface TaskPart extends Pick<TaskDemoRecipe, 'prepare' | 'directions'> {
  lines: number;
  updates: number;
  train: object;
}

const words = { pieces: 'words', lang: 'en', lowercase: true } as const;
const encoder = { encoderLayers: 2, pooling: 'mean', pooler: 'none' } as const;

const parts: Record<PreparedTask, TaskPart> = {
  'language-model': {
    prepare: { pieces: 'bpe:300', lang: 'en', lowercase: false },
    directions: ['baseline', 'uni', 'bi'],
    ...{ lines: 400, updates: 1000 },
    train: {
      model: { decoderLayers: 2, ffnDim: 256 },
      loss: { alpha: 2, labelSmoothing: 0 },
      optimizer: { learningRate: 3e-3 },
      batches: { tokensPerSample: 64, maxTokens: 512 },
    },
  },
  classification: {
    prepare: words,
    directions: ['baseline', 'uni', 'bi'],
    ...{ lines: 400, updates: 400 },
    train: { model: encoder, loss: { alpha: 5, labelSmoothing: 0 }, batches: { maxTokens: 512 } },
  },
  regression: {
    prepare: words,
    // The squared difference of both passes has no direction.
    directions: ['one-pass', 'baseline', 'uni'],
    ...{ lines: 150, updates: 400 },
    train: { model: encoder, loss: { alpha: 1 }, batches: { maxTokens: 512 } },
  },
};

/** Fewer lines than the grammar needs and little dropout, so that plain dropout overfits within the minutes there are. */
export function taskDemoRecipe(task: PreparedTask, quick: boolean): TaskDemoRecipe {
  const { prepare, directions, lines, updates, train: own } = parts[task];
  const train = mergeOptions(
    {
      task,
      model: { embedDim: 64, ffnDim: 128, heads: 4, dropout: 0.1, norm: 'pre' },
      optimizer: { learningRate: 2e-3, warmupUpdates: quick ? 10 : 50 },
      maxUpdates: quick ? 20 : updates,
      logInterval: quick ? 10 : 50,
      validation: { interval: quick ? 10 : updates / 4 },
    },
    own,
  );
  return {
    ...{ version: 1, task, prepare, directions },
    text: quick
      ? { seed: 1, train: 100, valid: 20, test: 20 }
      : { seed: 1, train: lines, valid: 200, test: 300 },
    seeds: quick ? [63, 64] : [63, 64, 65],
    train: train as TaskDemoRecipe['train'],
  };
}
