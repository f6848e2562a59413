import { readFileSync } from 'node:fs';
import { bleuMetric } from '../../lib/evaluation/bleu.js';
import { chrfMetric } from '../../lib/evaluation/chrf.js';
import { corpusStatistics, type Metric } from '../../lib/evaluation/metric.js';
import { checkedSegments } from '../../lib/evaluation/segments.js';
import { terMetric } from '../../lib/evaluation/ter.js';

/** What test/fixtures/evaluation/record_chrf_ter.py recorded, joined with the texts of bleu.json. */

export type Family = 'BLEU' | 'CHRF' | 'TER';

export type SearchKind = 'random' | 'moved' | 'later' | 'earlier';

export interface Method {
  metric: Family;
  options: Record<string, unknown>;
  name: string;
  signature: string;
}

interface Case {
  references: number;
  called: string;
  scores: number[];
}

interface Corpus {
  name: string;
  hypotheses: string[];
  streams: (string | null)[][];
  cases: Case[];
}

interface Recorded {
  methods: Method[];
  corpora: { name: string; cases: Case[]; hypotheses?: string[]; streams?: (string | null)[][] }[];
  segments: { hard: Record<string, number[][]> };
  searches: [number, SearchKind, number, number, number, number][];
}

export const evaluationFixture = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/evaluation/${name}`, import.meta.url), 'utf8')) as T;

const recorded = evaluationFixture<Recorded>('chrf_ter.json');
const { corpora: texts } = evaluationFixture<{
  corpora: { name: string; hypotheses: string[]; references: string[][] }[];
}>('bleu.json');

export const { methods, segments, searches } = recorded;

export const corpora: Corpus[] = recorded.corpora.map(({ name, cases, hypotheses, streams }) => {
  if (hypotheses !== undefined && streams !== undefined) return { name, cases, hypotheses, streams };
  const text = texts.find((each) => each.name === name);
  if (text === undefined) throw new Error(`bleu.json has no corpus ${name}`);
  return { name, cases, hypotheses: text.hypotheses, streams: text.references };
});

/** sacreBLEU's snake_case options in our names. */
export function metricOf({ metric, options }: Pick<Method, 'metric' | 'options'>): Metric {
  const camel = Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
  return { BLEU: bleuMetric, CHRF: chrfMetric, TER: terMetric }[metric](camel);
}

/** Scores and signatures of every recorded case of a family, ours beside sacreBLEU's. */
export async function compared(family: Family, corpus: Corpus) {
  const rows = [];
  for (const { references, called, scores } of corpus.cases) {
    const checked = checkedSegments(corpus.hypotheses, corpus.streams.slice(0, references), 'test');
    for (const [m, method] of methods.entries()) {
      if (method.metric !== family) continue;
      const metric = metricOf(method);
      const { sums } = await corpusStatistics(metric, checked);
      rows.push({
        context: `${JSON.stringify(method.options)}, ${called}`,
        ours: metric.score(sums),
        theirs: scores[m] as number,
        name: metric.name,
        signature: metric.signature(checked.referenceCount),
        theirName: method.name,
        theirSignature: method.signature.replace('nrefs:1', called),
      });
    }
  }
  return rows;
}
