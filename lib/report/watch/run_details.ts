import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunDetails } from './messages.js';
import type { WatchedRun } from './watched_run.js';

const shown = [
  ...[
    'data',
    'device',
    'precision',
    'threads',
    'model.embedDim',
    'model.encoderLayers',
    'model.decoderLayers',
  ],
  ...[
    'model.dropout',
    'batches.maxTokens',
    'optimizer.learningRate',
    'maxUpdates',
    'maxEpochs',
    'maxMinutes',
  ],
];

export async function runDetails({ directory, config, log }: WatchedRun): Promise<RunDetails> {
  const at = (path: string) =>
    path
      .split('.')
      .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], config);
  const facts = shown.flatMap((path): RunDetails['facts'] => {
    const value = at(path);
    return typeof value === 'string' || (typeof value === 'number' && value !== 0)
      ? [[path, String(value)]]
      : [];
  });
  return { directory, facts, samples: await samplesOf(directory), log };
}

async function samplesOf(directory: string): Promise<RunDetails['samples']> {
  try {
    const text = await readFile(join(directory, 'hypotheses', 'valid.last.json'), 'utf8');
    const { update, samples } = JSON.parse(text) as NonNullable<RunDetails['samples']>;
    if (typeof update !== 'number' || !Array.isArray(samples)) return null;
    const texts = samples.map(({ line, source, reference, hypothesis }) => ({
      line: Number(line),
      // Runs of before have none.
      ...(source !== undefined && { source: String(source) }),
      reference: String(reference),
      hypothesis: String(hypothesis),
    }));
    return { update, samples: texts };
  } catch {
    return null;
  }
}
