import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadReferences } from '../data/corpus.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { fileError } from '../util/files/files.js';
import { conditionOf } from './conditions.js';
import type { ReportBlock, Sample } from './document.js';
import type { RunSummary } from './run_summary.js';

const shown = { sentences: 8, conditions: 6 };
/** A longer text is cut: a report shows samples, and files hold the rest. */
const longest = 600;

/**
 * Some sentences of the test split in the translations of each condition, with source and reference where the prepared data
 * still are where the run found them. Null where no run has kept its translations.
 *
 * @throws RdropError FILE_UNREADABLE, ABORTED
 */
export async function samplesOf(
  runs: readonly RunSummary[],
  signal?: AbortSignal,
): Promise<Extract<ReportBlock, { kind: 'samples' }> | null> {
  const found: { run: RunSummary; lines: string[] }[] = [];
  for (const run of runs) {
    throwIfAborted(signal, 'the report');
    if (found.length === shown.conditions) break;
    if (found.some((one) => conditionOf(one.run) === conditionOf(run))) continue;
    const lines = await translationsOf(run);
    // Translations of another test split are not the same sentences.
    if (lines !== null && lines.length === (found[0]?.lines ?? lines).length) found.push({ run, lines });
  }
  const [first] = found;
  if (first === undefined || first.lines.length === 0) return null;
  const texts = await textsOf(first.run, first.lines.length);
  const all = first.lines.map((_, i) => i);
  const differing = all.filter((i) => found.some(({ lines }) => lines[i] !== first.lines[i]));
  const from = differing.length > 0 ? differing : all;
  const count = Math.min(shown.sentences, from.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => from[Math.floor(((i + 0.5) * from.length) / count)] as number,
  );
  return {
    kind: 'samples',
    title: 'Sample translations',
    samples: chosen.map(
      (i): Sample => ({
        line: i + 1,
        ...(texts && {
          source: cut(texts.source[i] as string),
          reference: cut(texts.reference[i] as string),
        }),
        translations: found.map(({ run, lines }) => ({
          condition: conditionOf(run),
          text: cut(lines[i] as string),
        })),
      }),
    ),
    note:
      (found.length > 1
        ? `Evenly spaced over the ${differing.length} of ${all.length} test sentences on which the conditions differ, `
        : `Evenly spaced over the ${all.length} test sentences, `) +
      `in the translations of ${found.map(({ run }) => `${conditionOf(run)} (seed ${run.seed})`).join(', ')}.` +
      (texts ? ' Underlined: words that the reference does not have.' : ''),
  };
}

const cut = (text: string) => (text.length > longest ? `${text.slice(0, longest)}…` : text);

/** hypotheses/test.<language>, one translation a line. */
async function translationsOf({ directory }: RunSummary): Promise<string[] | null> {
  if (directory === undefined) return null;
  const place = join(directory, 'hypotheses');
  try {
    const name = (await readdir(place)).sort().find((each) => /^test\.[^.]+$/.test(each));
    if (name === undefined) return null;
    return (await readFile(join(place, name), 'utf8')).replace(/\n$/, '').split('\n');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw fileError(error, place, 'read');
  }
}

/** Source and reference from the data's raw/ text; null where they are gone or no longer fit. */
async function textsOf(
  { config }: RunSummary,
  count: number,
): Promise<{ source: string[]; reference: string[] } | null> {
  const data = config?.['data'];
  if (typeof data !== 'string') return null;
  try {
    const { source, target } = await loadReferences(data, 'test');
    return source.length === count && target.length === count ? { source, reference: target } : null;
  } catch (error) {
    // The report of archived runs shows what these have kept.
    if (error instanceof RdropError) return null;
    throw error;
  }
}
