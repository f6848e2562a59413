/**
 * The demo: text of the project's own making, small enough to overfit, on which plain dropout, R-Drop with one
 * direction of KL and R-Drop with both are trained alike.
 */

import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { prepareCorpus } from '../data/preparation/prepare.js';
import type { PrepareRun } from '../data/preparation/stages.js';
import { prepareTask } from '../data/tasks/prepare_task.js';
import { type DemoOptions, demoSchema } from '../options/demo.js';
import { mergeOptions, preset } from '../options/presets.js';
import { parseConfig } from '../options/schema/parse.js';
import type { TrialDirection } from '../options/sweep.js';
import type { TaskName } from '../options/tasks/names.js';
import { currentDirection } from '../sweep/earlier_names.js';
import type { SweepTrainOptions } from '../sweep/plan.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { fileError, readJsonFile, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { type DemoCorpusOptions, demoCorpus, writeDemoCorpus } from './corpus.js';
import { type TaskDemoRecipe, taskDemoRecipe } from './task_recipe.js';
import { writeDemoText } from './task_text.js';

/** All that decides the numbers of the demo of translation; demo.json holds it, so that other numbers are never taken for its own. */
export interface DemoRecipe {
  version: 1;
  corpus: DemoCorpusOptions;
  merges: number;
  seeds: number[];
  directions: TrialDirection[];
  train: Omit<SweepTrainOptions, 'data'>;
}

export interface Demo {
  task: TaskName;
  recipe: DemoRecipe | TaskDemoRecipe;
  /** Prepared data. */
  data: string;
  /** The sweep's directory. */
  sweep: string;
  /** The configuration of the sweep. */
  config: SweepTrainOptions;
}

/**
 * Every trial does the same updates on the same batches with two passes each; the baseline differs by α 0 alone. Fewer pairs
 * than the grammar needs and little dropout, so that plain dropout overfits within the minutes there are.
 */
export function demoRecipe(quick: boolean): DemoRecipe {
  const train = mergeOptions(preset('tiny'), {
    model: { embedDim: 128, ffnDim: 256, encoderLayers: 1, decoderLayers: 1, dropout: 0.1, norm: 'pre' },
    loss: { alpha: 5 },
    optimizer: { learningRate: 3e-3, warmupUpdates: quick ? 20 : 100 },
    batches: { maxTokens: 256 },
    maxUpdates: quick ? 40 : 1000,
    validation: { interval: quick ? 20 : 250 },
    test: { beam: { beam: 5, maxLenA: 1.2, maxLenB: 10 } },
  });
  return {
    version: 1,
    corpus: quick
      ? { seed: 1, train: 200, valid: 20, test: 20 }
      : { seed: 1, train: 500, valid: 100, test: 300 },
    merges: quick ? 300 : 1500,
    seeds: quick ? [63, 64] : [63, 64, 65],
    directions: ['baseline', 'uni', 'bi'],
    train: train as DemoRecipe['train'],
  };
}

/**
 * Makes the text and prepares it, or finds both from an earlier call with the same recipe.
 *
 * @throws RdropError RUN_EXISTS when the directory holds a demo of another recipe; INVALID_ARGUMENT; those of
 *   prepareCorpus and prepareTask
 */
export async function openDemo(options: DemoOptions, run: PrepareRun = {}): Promise<Demo> {
  const { task, directory, quick, fresh } = parseConfig(demoSchema, options, 'demo', 'INVALID_ARGUMENT');
  const root = resolve(directory);
  const recipe = task === 'translation' ? demoRecipe(quick) : taskDemoRecipe(task, quick);
  const recipeFile = join(root, 'demo.json');
  const data = join(root, 'data');
  const sweep = join(root, 'sweep');
  if (fresh) await removeDemo(root);
  if (await pathExists(recipeFile)) {
    if (
      !isDeepStrictEqual(currentRecipe(await readJsonFile(recipeFile)), JSON.parse(JSON.stringify(recipe)))
    ) {
      throw new RdropError(
        'RUN_EXISTS',
        `${recipeFile}: a demo with other settings is there; choose another directory, or start over with --fresh`,
      );
    }
  } else {
    try {
      await makePath(root);
    } catch (error) {
      throw fileError(error, root, 'write');
    }
    await writeFileAtomically(recipeFile, `${JSON.stringify(recipe, null, 2)}\n`);
  }
  if (!(await pathExists(join(data, 'text.json')))) {
    const text = join(root, 'text');
    if ('task' in recipe) await prepareTaskText(recipe, text, data, run);
    else await prepareTranslation(recipe, text, data, run);
  }
  return { task, recipe, data, sweep, config: { ...recipe.train, data } };
}

async function prepareTranslation(recipe: DemoRecipe, text: string, out: string, run: PrepareRun) {
  await writeDemoCorpus(text, demoCorpus(recipe.corpus));
  const prefixes = { train: join(text, 'train'), valid: join(text, 'valid'), test: join(text, 'test') };
  await prepareCorpus({ source: 'de', target: 'en', ...prefixes, out, bpe: recipe.merges }, run);
}

async function prepareTaskText(recipe: TaskDemoRecipe, text: string, out: string, run: PrepareRun) {
  const { task, prepare } = recipe;
  const [train, valid, test] = await writeDemoText({ task, directory: text, ...recipe.text });
  await prepareTask({ task, ...prepare, train: train!, valid, test, out }, run);
}

/** A recipe as this version writes it. */
function currentRecipe(written: unknown): unknown {
  const { directions } = written as Partial<DemoRecipe>;
  return Array.isArray(directions)
    ? { ...(written as object), directions: directions.map(currentDirection) }
    : written;
}

/** Removes what a demo made, and nothing else. */
async function removeDemo(root: string): Promise<void> {
  if (!(await pathExists(join(root, 'demo.json')))) return;
  for (const name of ['sweep', 'data', 'text', 'report.html', 'report.md', 'demo.json']) {
    await rm(join(root, name), { recursive: true, force: true });
  }
}
