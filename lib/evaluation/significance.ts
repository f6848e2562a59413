import {
  type RandomizationOptions,
  randomizationSchema,
  type SentenceBootstrapOptions,
  sentenceBootstrapSchema,
} from '../options/evaluation.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { YieldTimer } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { numpyMean } from '../util/python_numbers.js';
import { NumpyGenerator } from '../util/random/numpy_generator.js';
import { bleuMetric } from './bleu.js';
import { type CorpusStatistics, corpusStatistics, type Metric } from './metric.js';
import { checkedSegments, type References } from './segments.js';
import { type PValues, roundingOfScores, type Verdict, verdict } from './verdict.js';

/** One system's translations of a corpus. */
export interface SystemCorpus {
  /** Translations, one segment an item. */
  hypotheses: readonly string[];
  /** As `bleu` takes them. */
  references: References;
  /** What is resampled, as bleuMetric(), chrfMetric({ wordOrder: 2 }) and terMetric() make it; BLEU if left out. */
  metrics?: readonly Metric[];
}

/** Two systems' translations of the same sentences. */
export interface PairedCorpus extends SystemCorpus {
  /** The other system's translations of the same segments. */
  baseline: readonly string[];
}

export interface Interval {
  /** Of the scores of the resamples. */
  mean: number;
  /** Half the width of the interval that holds the middle 95 % of them; sacreBLEU prints `mean ± halfWidth`. */
  halfWidth: number;
}

export interface ConfidenceResult extends Interval {
  name: string;
  /** Of the corpus itself. */
  score: number;
  signature: string;
}

/** A system's own score and, where resamples were scored, the interval of those. */
export type SystemScore = { score: number } & Partial<Interval>;

export interface PairedResult extends Verdict {
  name: string;
  higherIsBetter: boolean;
  baseline: SystemScore;
  system: SystemScore;
  /** Whether every sentence has the same translation in both systems. */
  identical: boolean;
  signature: string;
}

interface Work {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal;
}

/** More sentences would need more than 53 bits to draw one. */
const mostSegments = 2 ** 21;

/**
 * The bootstrap interval of a system's scores as sacreBLEU's `--confidence` gives it, number for number at equal seeds
 * (sacreBLEU 2.6 on numpy 2, where part of the arithmetic is in single precision).
 *
 * @param options samples: 1,000 resamples of the sentences; seed: 12345.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 * @see Koehn 2004; sacrebleu/metrics/base.py, sacrebleu/significance.py
 */
export async function bootstrapConfidence(
  { hypotheses, references, metrics = [bleuMetric()] }: SystemCorpus,
  options: SentenceBootstrapOptions = {},
  work: Work = {},
): Promise<ConfidenceResult[]> {
  const what = 'bootstrapConfidence';
  checkCall(work, ['signal'], what);
  const { signal } = work;
  const { samples, seed } = parseConfig(sentenceBootstrapSchema, options, what, 'INVALID_ARGUMENT');
  const system = await statisticsOf(what, hypotheses, references, metrics, signal);
  const breaks = new YieldTimer(what, signal);
  const scores = await bootstrapScores(system.statistics, samples, new NumpyGenerator(seed), breaks);
  return system.statistics.map(({ metric, sums }, m) => {
    const own = scores[m] as Scores;
    // Here alone sacreBLEU averages exactly (Python's statistics.mean) instead of in numpy's way.
    const mean = Array.from(own).reduce((sum, score) => sum + score, 0) / samples;
    return {
      name: metric.name,
      score: metric.score(sums),
      mean: rounding(own)(mean),
      halfWidth: intervalOf(own).halfWidth,
      signature: metric.signature(system.referenceCount, { bootstrap: samples, seed }),
    };
  });
}

/**
 * Paired bootstrap resampling: whether two systems differ by more than the choice of the test sentences explains. The
 * same p-values, means and intervals as sacreBLEU's `--paired-bs` at equal seeds (sacreBLEU 2.6 on numpy 2).
 *
 * @param options samples: 1,000 resamples of the sentences; seed: 12345.
 * @returns one result a metric.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 * @see Koehn 2004; sacrebleu/significance.py
 */
export async function pairedBootstrap(
  { baseline, hypotheses, references, metrics = [bleuMetric()] }: PairedCorpus,
  options: SentenceBootstrapOptions = {},
  work: Work = {},
): Promise<PairedResult[]> {
  const what = 'pairedBootstrap';
  checkCall(work, ['signal'], what);
  const { signal } = work;
  const { samples, seed } = parseConfig(sentenceBootstrapSchema, options, what, 'INVALID_ARGUMENT');
  const system = await statisticsOf(what, hypotheses, references, metrics, signal);
  const other = await statisticsOf(`${what}: baseline`, baseline, references, metrics, signal);
  const breaks = new YieldTimer(what, signal);
  const both = [...system.statistics, ...other.statistics];
  const scores = await bootstrapScores(both, samples, new NumpyGenerator(seed), breaks);
  return system.statistics.map(({ metric, sums }, m) => {
    const ofSystem = scores[m] as Scores;
    const ofBaseline = scores[metrics.length + m] as Scores;
    const score = metric.score(sums);
    const baselineScore = metric.score((other.statistics[m] as CorpusStatistics).sums);
    return {
      name: metric.name,
      higherIsBetter: metric.higherIsBetter,
      baseline: { score: baselineScore, ...intervalOf(ofBaseline) },
      system: { score, ...intervalOf(ofSystem) },
      identical: sameTexts(system.texts, other.texts),
      ...verdict(
        { system: score, baseline: baselineScore },
        bootstrapPValues(ofSystem, ofBaseline, Math.abs(baselineScore - score)),
      ),
      signature: metric.signature(system.referenceCount, { bootstrap: samples, seed }),
    };
  });
}

/**
 * Paired approximate randomization: how often a difference as large arises when each sentence's two translations are
 * exchanged at random. The same p-values as sacreBLEU's `--paired-ar` at equal seeds, but for one case: with add-k
 * smoothing sacreBLEU there rounds k down to a whole number.
 *
 * @param options samples: 10,000 exchanges; seed: 12345; confidenceSamples: 0 (from 1 on both scores get an interval,
 *   sacreBLEU's n_ar_confidence).
 * @returns one result a metric.
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH, ABORTED.
 * @see Riezler and Maxwell 2005; sacrebleu/significance.py
 */
export async function pairedApproximateRandomization(
  { baseline, hypotheses, references, metrics = [bleuMetric()] }: PairedCorpus,
  options: RandomizationOptions = {},
  work: Work = {},
): Promise<PairedResult[]> {
  const what = 'pairedApproximateRandomization';
  checkCall(work, ['signal'], what);
  const { signal } = work;
  const config = parseConfig(randomizationSchema, options, what, 'INVALID_ARGUMENT');
  const { samples, seed, confidenceSamples } = config;
  const system = await statisticsOf(what, hypotheses, references, metrics, signal);
  const other = await statisticsOf(`${what}: baseline`, baseline, references, metrics, signal);
  const breaks = new YieldTimer(what, signal);
  const generator = new NumpyGenerator(seed);
  const pairs = system.statistics.map((statistics, m) => ({
    metric: statistics.metric,
    system: statistics,
    baseline: other.statistics[m] as CorpusStatistics,
  }));
  const counts = await countExchanges(pairs, samples, generator, breaks);
  const intervals = async (statistics: CorpusStatistics[], from: NumpyGenerator) =>
    confidenceSamples === 0
      ? []
      : (await bootstrapScores(statistics, confidenceSamples, from, breaks)).map(intervalOf);
  // As in the original the system's resamples follow the exchanges, the baseline's begin with the seed.
  const ofSystem = await intervals(system.statistics, generator);
  const ofBaseline = await intervals(other.statistics, new NumpyGenerator(seed));
  const resampling = {
    randomization: samples,
    seed,
    ...(confidenceSamples > 0 ? { bootstrap: confidenceSamples } : {}),
  };
  return pairs.map(({ metric, ...sides }, m) => {
    const score = metric.score(sides.system.sums);
    const baselineScore = metric.score(sides.baseline.sums);
    const { larger, equal } = counts[m] as ExchangeCounts;
    const pValues = { pValue: (larger + 1) / (samples + 1), withEqual: (larger + equal + 1) / (samples + 1) };
    return {
      name: metric.name,
      higherIsBetter: metric.higherIsBetter,
      baseline: { score: baselineScore, ...ofBaseline[m] },
      system: { score, ...ofSystem[m] },
      identical: sameTexts(system.texts, other.texts),
      ...verdict({ system: score, baseline: baselineScore }, pValues),
      signature: metric.signature(system.referenceCount, resampling),
    };
  });
}

const sameTexts = (system: readonly string[], baseline: readonly string[]): boolean =>
  system.every((text, i) => text === baseline[i]);

async function statisticsOf(
  what: string,
  hypotheses: readonly string[],
  references: References,
  metrics: readonly Metric[],
  signal: AbortSignal | undefined,
): Promise<{ statistics: CorpusStatistics[]; referenceCount: number | 'var'; texts: readonly string[] }> {
  const segments = checkedSegments(hypotheses, references, what);
  if (hypotheses.length > mostSegments) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${what}: hypotheses: expected at most ${mostSegments} sentences, got ${hypotheses.length}`,
    );
  }
  const statistics: CorpusStatistics[] = [];
  for (const metric of metrics) statistics.push(await corpusStatistics(metric, segments, signal));
  return { statistics, referenceCount: segments.referenceCount, texts: hypotheses };
}

/** The scores of resamples, in the precision that numpy's array of them has. */
type Scores = Float32Array | Float64Array;

const rounding = (scores: Scores): ((value: number) => number) =>
  scores instanceof Float32Array ? Math.fround : (value) => value;

/** The same resamples of the sentences for every corpus; sums as numpy makes them, one float32 after the other. */
async function bootstrapScores(
  corpora: readonly CorpusStatistics[],
  samples: number,
  generator: NumpyGenerator,
  breaks: YieldTimer,
): Promise<Scores[]> {
  const chosen = new Int32Array(corpora[0]?.segments ?? 0);
  const resampled = corpora.map(({ metric, rows }) => ({
    metric,
    rows: Float32Array.from(rows),
    sums: new Float32Array(metric.width),
    scores: new Float64Array(samples),
    single: true,
  }));
  for (let sample = 0; sample < samples; sample++) {
    if (breaks.due()) await breaks.take();
    generator.fillBelow(chosen.length, chosen);
    for (const corpus of resampled) {
      addRows(corpus.rows, chosen, corpus.sums.fill(0));
      const { score, single } = corpus.metric.scoreOfSingles(corpus.sums);
      corpus.scores[sample] = score;
      corpus.single &&= single;
    }
  }
  return resampled.map(({ scores, single }) => (single ? Float32Array.from(scores) : scores));
}

function addRows(rows: Float32Array, chosen: Int32Array, sums: Float32Array): void {
  const width = sums.length;
  for (let i = 0; i < chosen.length; i++) {
    const row = (chosen[i] as number) * width;
    for (let k = 0; k < width; k++) sums[k] = (sums[k] as number) + (rows[row + k] as number);
  }
}

function intervalOf(scores: Scores): Interval {
  const round = rounding(scores);
  const sorted = scores.slice().sort();
  const left = Math.floor(sorted.length / 40);
  const low = sorted[left] as number;
  const high = sorted[sorted.length - left - 1] as number;
  return { mean: numpyMean(sorted), halfWidth: round(0.5 * round(high - low)) };
}

/**
 * The share of resamples whose difference is further from the mean difference than the real one is from 0; and the same
 * with those that are as far. Resamples that all differ equally, as those of a single sentence, are evidence of nothing:
 * there the second is 1.
 */
function bootstrapPValues(system: Scores, baseline: Scores, difference: number): PValues {
  const singles = system instanceof Float32Array && baseline instanceof Float32Array;
  const array = singles ? Float32Array : Float64Array;
  const differences = new array(system.length);
  for (let i = 0; i < system.length; i++) {
    differences[i] = Math.abs((system[i] as number) - (baseline[i] as number));
  }
  const round = rounding(differences);
  const mean = numpyMean(differences);
  const limit = round(difference);
  const least = limit - roundingOfScores;
  const constant = differences.every((each) => Math.abs(each - (differences[0] as number)) <= 1e-5);
  let larger = 0;
  let notSmaller = 0;
  for (const each of differences) {
    const distance = round(each - mean);
    if (distance > limit) larger++;
    if (distance >= least) notSmaller++;
  }
  const share = (count: number) => (count + 1) / (system.length + 1);
  return { pValue: share(larger), withEqual: constant ? 1 : share(notSmaller) };
}

interface ExchangeCounts {
  /** Exchanges whose difference is larger than the real one. */
  larger: number;
  /** Exchanges whose difference is the real one, up to rounding. */
  equal: number;
}

/**
 * How many random exchanges of sentences between the systems give a larger or an equal difference, for each metric.
 *
 * The statistics in which a sentence's two translations differ are whole numbers, so the sums of an exchange are the
 * systems' own plus and minus those differences, without rounding: an exchange that changes nothing compares as equal.
 */
async function countExchanges(
  pairs: readonly { metric: Metric; system: CorpusStatistics; baseline: CorpusStatistics }[],
  samples: number,
  generator: NumpyGenerator,
  breaks: YieldTimer,
): Promise<ExchangeCounts[]> {
  const ofBaseline = new Uint8Array(pairs[0]?.system.segments ?? 0);
  const works = pairs.map(({ metric, system, baseline }) => {
    const gains = baseline.rows.map((value, i) => value - (system.rows[i] as number));
    const real = Math.abs(metric.score(baseline.sums) - metric.score(system.sums));
    const sums = [0, 1].map(() => new Float64Array(metric.width)) as [Float64Array, Float64Array];
    const differing = Int32Array.from(
      Array.from(ofBaseline.keys()).filter((segment) =>
        gains.subarray(segment * metric.width, (segment + 1) * metric.width).some((gain) => gain !== 0),
      ),
    );
    return { metric, system, baseline, gains, differing, real, sums, larger: 0, equal: 0 };
  });
  const drawn = generator.booleans();
  for (let sample = 0; sample < samples; sample++) {
    if (breaks.due()) await breaks.take();
    for (let i = 0; i < ofBaseline.length; i++) ofBaseline[i] = drawn() ? 1 : 0;
    for (const work of works) {
      const [a, b] = work.sums;
      const gain = b.fill(0);
      addChosen(work.gains, work.differing, ofBaseline, gain);
      for (let k = 0; k < gain.length; k++) {
        const exchanged = gain[k] as number;
        a[k] = (work.system.sums[k] as number) + exchanged;
        b[k] = (work.baseline.sums[k] as number) - exchanged;
      }
      const difference = Math.abs(work.metric.score(a) - work.metric.score(b));
      if (difference > work.real) work.larger++;
      else if (difference >= work.real - roundingOfScores) work.equal++;
    }
  }
  return works.map(({ larger, equal }) => ({ larger, equal }));
}

function addChosen(rows: Float64Array, segments: Int32Array, chosen: Uint8Array, sums: Float64Array): void {
  const width = sums.length;
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i] as number;
    if (chosen[segment] === 0) continue;
    const row = segment * width;
    for (let k = 0; k < width; k++) sums[k] = (sums[k] as number) + (rows[row + k] as number);
  }
}
