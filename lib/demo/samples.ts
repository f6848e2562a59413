import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Generator } from '../generation/generator.js';
import type { PreparedTask } from '../options/tasks/text.js';
import { Predictor } from '../prediction/predictor.js';
import type { ReportTable } from '../report/table.js';
import { fileError } from '../util/files/files.js';
import type { Demo } from './demo.js';

/** Lines that are shown. */
const shown = 4;

/**
 * What a trained model of the demo makes of a few texts of the test, or begins of its own; null for translation, whose samples stand
 * in the report.
 *
 * @throws RdropError those of Predictor and Generator
 */
export async function demoSamples(
  { task, recipe, sweep, data }: Demo,
  signal?: AbortSignal,
): Promise<ReportTable | null> {
  if (task === 'translation') return null;
  const trial = `uni-${recipe.seeds[0]}`;
  return await samplesOf[task](join(sweep, trial), trial, { data, signal });
}

interface Work {
  data: string;
  signal: AbortSignal | undefined;
}

const samplesOf: Record<PreparedTask, (run: string, trial: string, work: Work) => Promise<ReportTable>> = {
  async 'language-model'(run, trial, { signal }) {
    await using generator = await Generator.load(run, { threads: 1, signal });
    const prompts = ['The ', 'Did ', 'When ', 'I '];
    const generated = await generator.generate(prompts, { maxTokens: 60, temperature: 0.8, seed: 1 });
    const lines = generated.map(({ prompt, text }) => [`${prompt}${text}`.split('\n')[0]!]);
    return { caption: `Text of ${trial}`, head: ['begun by a prompt'], rows: lines, notes: [] };
  },
  classification: predicted,
  regression: predicted,
};

async function predicted(run: string, trial: string, { data, signal }: Work): Promise<ReportTable> {
  const [texts, expected] = [
    await linesOf(join(data, 'raw', 'test.text')),
    await linesOf(join(data, 'test.label')),
  ];
  await using predictor = await Predictor.load(run, { threads: 1, signal });
  const found = await predictor.predict(texts, { signal });
  return {
    caption: `Predictions of ${trial}`,
    head: ['text of the test', 'predicted', 'expected'],
    rows: texts.map((text, i) => [
      text,
      found[i]?.label ?? found[i]?.value?.toFixed(2) ?? '—',
      expected[i] as string,
    ]),
    notes: [],
  };
}

async function linesOf(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').slice(0, shown);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}
