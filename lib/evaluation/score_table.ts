import { type MetricFamily, type ScoreTableOptions, scoreTableSchema } from '../options/evaluation.js';
import { checkCall, workOptions } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { RdropError } from '../util/errors.js';
import { bleuMetric } from './bleu.js';
import { chrfMetric } from './chrf.js';
import { fairseqMetric } from './fairseq_score.js';
import { corpusStatistics, type Metric } from './metric.js';
import { warnOfPieces } from './score_pieces.js';
import { checkedSegments, type References } from './segments.js';
import { terMetric } from './ter.js';

/** Translations and references, one sentence an item; references as `bleu` takes them. */
export interface Texts {
  /** Translations, one segment an item. */
  hypotheses: readonly string[];
  /** Their references. */
  references: References;
}

/** The same translations as the reader sees them, as the model's tokens (BPE removed), or both. */
export type ScoredTexts =
  | (Texts & {
      /** The same translations as tokens. Left out: metrics of tokens are not computed. */
      tokenized?: Texts | undefined;
    })
  | {
      /** Left out where there is only tokenized text. */
      hypotheses?: undefined;
      /** Left out where there is only tokenized text. */
      references?: undefined;
      /** The translations as tokens. */
      tokenized: Texts;
    };

export interface CorpusScore {
  /** BLEU, chrF2, chrF2++, TER, fairseq-score, fairseq-score (compounds split). */
  name: string;
  /** In percent; TER can exceed 100. */
  score: number;
  /** sacreBLEU's, letter for letter; that of fairseq-score, which has none, names its options in the same form. */
  signature: string;
  higherIsBetter: boolean;
}

export interface ScoreRow extends CorpusScore {
  /** The line that sacreBLEU or fairseq-score prints. */
  text: string;
}

export interface ScoreWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Figures that are computed. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Metrics together with the texts that they are meant for. */
export interface ScoreGroup extends Texts {
  metrics: Metric[];
}

/**
 * The corpus scores of a system as the field prints them, side by side. On detokenized text BLEU with sacreBLEU's
 * tokenizers 13a, intl, none and char, chrF2, chrF2++ and TER; on tokenized text, as it is or with compounds split, the
 * BLEU4 of fairseq-score (the paper's tables), which is worth nothing on other text. Of tokenized text alone, also BLEU
 * with the tokenizer none. Warns (PIECES) where a text looks as if its words were cut into pieces.
 *
 * @throws RdropError INVALID_ARGUMENT (also a metric that the texts given do not allow), LINE_COUNT_MISMATCH, ABORTED.
 */
export async function scoreTable(
  texts: ScoredTexts,
  options: ScoreTableOptions = {},
  work: ScoreWork = {},
): Promise<ScoreRow[]> {
  const rows = await scoreRows(texts, options, work);
  for (const each of [texts.hypotheses === undefined ? undefined : texts, texts.tokenized]) {
    if (each !== undefined) warnOfPieces(each.hypotheses, each.references);
  }
  return rows;
}

/** scoreTable for callers that know what the words of their texts are. */
export async function scoreRows(
  texts: ScoredTexts,
  options: ScoreTableOptions = {},
  work: ScoreWork = {},
): Promise<ScoreRow[]> {
  checkCall(work, workOptions, 'scoreTable');
  const { signal, onProgress } = work;
  const rows: ScoreRow[] = [];
  const groups = scoreGroups(texts, options);
  const total = groups.reduce((sum, { metrics }) => sum + metrics.length, 0);
  for (const { metrics, hypotheses, references } of groups) {
    const segments = checkedSegments(hypotheses, references, 'scoreTable');
    for (const metric of metrics) {
      onProgress?.(rows.length, total);
      const { sums } = await corpusStatistics(metric, segments, signal);
      rows.push({
        name: metric.name,
        score: metric.score(sums),
        signature: metric.signature(segments.referenceCount),
        higherIsBetter: metric.higherIsBetter,
        text: metric.line(sums, segments.referenceCount),
      });
    }
  }
  onProgress?.(total, total);
  return rows;
}

/**
 * The metrics that apply to texts, in the order of the table.
 *
 * @throws RdropError INVALID_ARGUMENT.
 */
export function scoreGroups(texts: ScoredTexts, options: ScoreTableOptions = {}): ScoreGroup[] {
  const config = parseConfig(scoreTableSchema, options, 'scoreTable', 'INVALID_ARGUMENT');
  const { lowercase, compoundSplit } = config;
  const { tokenized } = texts;
  const plain = texts.hypotheses === undefined ? undefined : texts;
  if (plain === undefined && tokenized === undefined) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      'scoreTable: expected hypotheses, tokenized or both, got neither',
    );
  }
  // fairseq-score knows one reference; with more of them it is left out unless it was asked for, and then refuses.
  const single = tokenized !== undefined && streamsOf(tokenized.references) === 1;
  const applicable: MetricFamily[] = [
    'bleu',
    ...(plain === undefined ? [] : (['chrf', 'ter'] as const)),
    ...(single ? (['fairseq'] as const) : []),
  ];
  const wanted = config.metrics ?? applicable;
  for (const family of wanted) if (!applicable.includes(family)) throw inapplicable(family, tokenized);
  if (compoundSplit !== undefined && !wanted.includes('fairseq')) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `scoreTable.compoundSplit: has an effect only on fairseq-score, got ${compoundSplit} and no fairseq-score`,
    );
  }

  const bleuOf = (tokenizers: readonly ('13a' | 'intl' | 'none' | 'char')[]) =>
    wanted.includes('bleu') ? tokenizers.map((tokenize) => bleuMetric({ tokenize, lowercase })) : [];
  const groups: ScoreGroup[] = [];
  if (plain !== undefined) {
    const metrics = bleuOf(['13a', 'intl', 'none', 'char']);
    if (wanted.includes('chrf'))
      metrics.push(chrfMetric({ lowercase }), chrfMetric({ lowercase, wordOrder: 2 }));
    if (wanted.includes('ter')) metrics.push(terMetric());
    groups.push({ metrics, hypotheses: plain.hypotheses, references: plain.references });
  }
  if (tokenized !== undefined) {
    const metrics = plain === undefined ? bleuOf(['none']) : [];
    if (wanted.includes('fairseq')) {
      for (const split of [false, true]) {
        if (compoundSplit === undefined || compoundSplit === split)
          metrics.push(fairseqMetric({ ignoreCase: lowercase, compoundSplit: split }));
      }
    }
    groups.push({ metrics, hypotheses: tokenized.hypotheses, references: tokenized.references });
  }
  return groups;
}

const streamsOf = (references: References): number =>
  Array.isArray(references?.[0]) ? references.length : 1;

function inapplicable(family: MetricFamily, tokenized: Texts | undefined): RdropError {
  const reason =
    family !== 'fairseq'
      ? 'is defined on detokenized text, and got tokenized text alone'
      : tokenized === undefined
        ? 'is defined on tokenized text, and got detokenized text alone'
        : `compares with one reference, and got ${streamsOf(tokenized.references)}`;
  return new RdropError('INVALID_ARGUMENT', `scoreTable.metrics: ${family} ${reason}`);
}
