// A training loop of your own: the corpus, the batches and the steps of Trainer.fit(), one by one. Node 22.18 and later run
// TypeScript as it is: node examples/custom_loop.ts <prepared directory> <run directory>
import { loadCorpus, planBatches, TextPipeline, Trainer } from 'rdrop';

const [data = 'data', runDirectory = 'runs/custom'] = process.argv.slice(2);
const seed = 63;
const batches = { maxTokens: 256, multipleOf: 8 };

const { dictionary } = await TextPipeline.load(data);
const corpus = await loadCorpus(data, 'train', dictionary);
const lengths = (sentences: readonly Int32Array[]) => Int32Array.from(sentences, ({ length }) => length);

const trainer = await Trainer.create({ preset: 'tiny', data, runDirectory, seed, batches });
export const losses: number[] = [];
try {
  for (let epoch = 1; epoch <= 2; epoch++) {
    const plan = { ...batches, seed, epoch };
    for (const pairs of planBatches(lengths(corpus.source), lengths(corpus.target), plan)) {
      const pick = (sentences: readonly Int32Array[]) => Array.from(pairs, (pair) => sentences[pair]!);
      const metrics = await trainer.step({ source: pick(corpus.source), target: pick(corpus.target) });
      losses.push(metrics.loss);
    }
    console.log(`epoch ${epoch}: loss ${losses.at(-1)?.toFixed(3)} a token after ${losses.length} updates`);
  }
  console.log(await trainer.checkpoint());
} finally {
  trainer.dispose();
}
