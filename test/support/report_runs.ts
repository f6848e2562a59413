import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A run of which nothing was trained: what a report reads of it. */
export interface MadeRun {
  direction: string;
  seed: number;
  score: number;
  updates?: number;
}

const source = [
  'Ein Hund schläft.',
  'Die Frau liest ein Buch.',
  'Der <b>Mann</b> kauft & isst "Äpfel".',
  'Es regnet.',
];
const reference = [
  'A dog sleeps.',
  'The woman reads a book.',
  'The <b>man</b> buys & eats "apples".',
  'It rains.',
];

/** Prepared data of four sentences, as far as a report reads it. */
export async function makeReportData(path: string): Promise<void> {
  await mkdir(join(path, 'raw'), { recursive: true });
  const text = {
    version: 1,
    source: 'de',
    target: 'en',
    tokenizer: 'moses',
    normalize: false,
    lowercase: false,
    bpe: 10,
  };
  await writeFile(join(path, 'text.json'), JSON.stringify(text));
  await writeFile(join(path, 'raw', 'test.de'), `${source.join('\n')}\n`);
  await writeFile(join(path, 'raw', 'test.en'), `${reference.join('\n')}\n`);
}

/** A run directory with curves, a result and translations. */
export async function makeReportRun(
  path: string,
  data: string,
  { direction, seed, score, updates = 3000 }: MadeRun,
): Promise<void> {
  await mkdir(join(path, 'hypotheses'), { recursive: true });
  const loss = direction === 'baseline' ? { direction: 'uni', alpha: 0 } : { direction, alpha: 5 };
  const json = (name: string, value: unknown) => writeFile(join(path, name), JSON.stringify(value));
  await json('config.json', { seed, data, device: 'cpu', precision: 'float32', runDirectory: path, loss });
  await json('environment.json', {
    rdrop: '0.2.0',
    processor: 'A processor',
    compiledAgainst: '2.13.0',
    data: {},
  });
  const lines = Array.from({ length: updates / 100 }, (_, i) => {
    const update = 100 * (i + 1);
    const height = 12 * Math.exp(-update / 900) + 4 + seed / 1000 + loss.alpha / 100;
    const base = { update, epoch: 1, nll: 1, seconds: 1 };
    return [
      {
        type: 'train',
        ...base,
        loss: 2 * height,
        kl: 0.1 + update / 1e5,
        learningRate: 1e-3 / Math.sqrt(i + 1),
      },
      { type: 'validation', ...base, loss: height, bleu: score - 10 * Math.exp(-update / 700) },
    ];
  }).flat();
  await writeFile(join(path, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const signature = 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0';
  const names = ['BLEU', 'chrF2', 'chrF2++', 'TER', 'fairseq-score', 'fairseq-score (compounds split)'];
  await json('result.json', {
    ...{
      seed,
      updates,
      epochs: 11.4,
      seconds: 1234.5,
      bestUpdate: updates,
      validBleu: score + 1,
      parameters: 36_741_120,
    },
    testBleu: { score, signature },
    scores: names.map((name, i) => ({
      ...{ name, score: score + i, signature: i === 0 ? signature : name, higherIsBetter: name !== 'TER' },
    })),
  });
  const translations = reference.map((line, i) =>
    i === 1 && direction === 'baseline' ? 'The man reads a <i>paper</i>.' : line,
  );
  await writeFile(join(path, 'hypotheses', 'test.en'), `${translations.join('\n')}\n`);
}
