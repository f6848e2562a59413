// Beam search over a validation set of real lengths: sorted by length, in batches. The model is the one that the steps have
// trained on random tokens: it knows how often eos comes and nothing else, so its hypotheses are not as long as real ones.
import { sum, tokenSource } from '../iwslt14/batches.mjs';

export async function validationRows({ validation, beam, seed, precision, model: config }, model) {
  if (model === undefined) throw new Error('there is no model: the stage that makes it failed');
  const lengths = validation.lengths.toSorted((a, b) => a - b);
  const batches = [];
  let open = [];
  for (const length of lengths) {
    if ((open.length + 1) * length > validation.maxTokens && open.length > 0) {
      batches.push(open);
      open = [];
    }
    open.push(length);
  }
  batches.push(open);
  const tokens = tokenSource(seed + 1, config.vocabSize);
  const packed = batches.map((batch) => tokens(batch));
  // The first batch warms up; it is measured again with all others.
  await model.translate(packed[0], beam);
  const start = performance.now();
  let generated = 0;
  for (const sources of packed) {
    for (const [best] of (await model.translate(sources, beam)).hypotheses) generated += best.tokens.length;
  }
  const seconds = (performance.now() - start) / 1000;
  return [
    {
      ...{ side: 'rdrop', precision, seconds, sentences: lengths.length, beam: beam.beam },
      ...{ maxLength: `${beam.maxLenA} · source + ${beam.maxLenB}`, batches: batches.length },
      ...{ sourceTokens: sum(lengths), generatedTokens: generated, model: 'trained on random tokens' },
    },
  ];
}
