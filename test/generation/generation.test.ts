// Generation of a language model against its own logits over the whole text: greedy tokens, frequencies of drawn ones, what top-k
// and top-p leave, the window beyond maxPositions.
import { beforeAll, describe, expect, test } from 'vitest';
import { nativeTransformer, Transformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import type { ModelOptions } from '../../lib/options/model.js';
import type { GenerationOptions } from '../../lib/options/tasks/generation.js';
import { asArrays, base, modelOf, prompts } from './models.js';

beforeAll(() => native().setThreads(1));

const pad = 1;
const eos = 2;
/** Logits of the next token, by the whole text at once. */
async function nextLogits(model: Transformer, tokens: readonly number[]): Promise<number[]> {
  const seen = Int32Array.from(tokens.slice(-model.config.maxPositions));
  const logits = await model.logits({ source: [seen], target: [seen] });
  return Array.from(logits.slice(-model.config.vocabSize));
}

const probabilities = (logits: readonly number[], temperature = 1): number[] => {
  const highest = Math.max(...logits);
  const weights = logits.map((x) => Math.exp((x - highest) / temperature));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
};
const best = (logits: readonly number[]) =>
  logits.reduce((top, x, i) => (i !== pad && (top === pad || x > logits[top]!) ? i : top), 0);

describe('greedy generation is the most probable token of the whole text, again and again', () => {
  test.each([
    ['pre-norm, learned positions', {}, 7],
    ['post-norm, sinusoids', { norm: 'post', positions: 'sinusoidal', activation: 'relu' }, 7],
    [
      'without biases',
      { bias: false, initialization: 'gpt2', scaleEmbeddings: false, embeddingNorm: true },
      7,
    ],
    ['beyond the longest text that the network can see', { maxPositions: 6 }, 15],
  ] as [string, Partial<ModelOptions>, number][])('%s', async (_, options, maxTokens) => {
    const model = await modelOf({ maxPositions: 24, ...options });
    const found = await model.generate(asArrays(prompts), { greedy: true, maxTokens, untilEos: false });
    for (const [i, prompt] of prompts.entries()) {
      const text = [...prompt];
      const { tokens, logProbabilities } = found[i]!;
      expect(tokens.length).toBe(maxTokens);
      for (const [at, token] of tokens.entries()) {
        const logits = await nextLogits(model, text);
        expect(token, `prompt ${i}, token ${at}`).toBe(best(logits));
        expect(logProbabilities[at]).toBeCloseTo(Math.log(probabilities(logits)[token]!), 5);
        text.push(token);
      }
    }
    expect(new Set(found.flatMap(({ tokens }) => [...tokens])).size).toBeGreaterThan(3);
  });

  test('a prompt longer than the network can see counts with its end', async () => {
    const model = await modelOf({ maxPositions: 6 });
    const long = Array.from({ length: 40 }, (_, i) => 4 + ((7 * i) % 19));
    const options = { greedy: true, maxTokens: 4, untilEos: false };
    const [whole, end] = await model.generate(asArrays([long, long.slice(-6)]), options);
    expect(whole).toEqual(end);
  });
});

describe('beam search', () => {
  /** Every text behind a prompt of at most `most` tokens, with its log-probability by token. */
  async function everyText(model: Transformer, prompt: readonly number[], most: number, untilEos: boolean) {
    const all: { tokens: number[]; score: number }[] = [];
    const extend = async (tokens: number[], sum: number): Promise<void> => {
      if (tokens.length === most || (untilEos && tokens.at(-1) === eos)) {
        all.push({ tokens, score: sum / tokens.length });
        return;
      }
      const p = probabilities(await nextLogits(model, [...prompt, ...tokens]));
      for (const [token, each] of p.entries())
        if (token !== pad) await extend([...tokens, token], sum + Math.log(each));
    };
    await extend([], 0);
    return all.sort((a, b) => b.score - a.score);
  }

  test.each([true, false])(
    'of every width that holds all texts finds the best; until eos: %s',
    async (untilEos) => {
      const model = await modelOf({ vocabSize: 6, maxPositions: 4 }, {}, 6);
      for (const prompt of [[2], [4, 5, 3, 4, 5]]) {
        const [best] = await everyText(model, prompt, 3, untilEos);
        const [found] = await model.generate(asArrays([prompt]), { beam: 200, maxTokens: 3, untilEos });
        expect([...found!.tokens]).toEqual(best!.tokens);
        const score = found!.logProbabilities.reduce((a, b) => a + b) / found!.tokens.length;
        expect(score).toBeCloseTo(best!.score, 5);
      }
    },
  );

  test('of width 1 is greedy, and a wider one finds what is more probable', async () => {
    const model = await modelOf({ maxPositions: 8 });
    const options = { maxTokens: 12, untilEos: false };
    const greedy = await model.generate(asArrays(prompts), { ...options, greedy: true });
    const one = await model.generate(asArrays(prompts), { ...options, beam: 1 });
    expect(one.map(({ tokens }) => [...tokens])).toEqual(greedy.map(({ tokens }) => [...tokens]));
    const sum = ({ logProbabilities }: { logProbabilities: Float32Array }) =>
      logProbabilities.reduce((a, b) => a + b);
    const wide = await model.generate(asArrays(prompts), { ...options, beam: 20 });
    const gains = wide.map((each, i) => sum(each) - sum(greedy[i]!));
    expect(Math.max(...gains)).toBeGreaterThan(0.01);
    expect(Math.min(...gains)).toBeGreaterThan(-1e-5);
  });
});

/** Draws the token behind a prompt, again and again. */
async function drawn(model: Transformer, prompt: number[], count: number, options: GenerationOptions) {
  const found = await model.generate(asArrays(Array.from({ length: count }, () => prompt)), {
    maxTokens: 1,
    ...options,
  });
  const counts = new Array<number>(model.config.vocabSize).fill(0);
  for (const { tokens } of found) counts[tokens[0]!]!++;
  return counts;
}

/** χ² of counts over the tokens that are expected at least 5 times; the rest is one class. */
function chiSquare(counts: readonly number[], expected: readonly number[]) {
  const total = counts.reduce((a, b) => a + b);
  const classes: [observed: number, expected: number][] = [];
  let rest: [number, number] = [0, 0];
  for (const [token, count] of counts.entries()) {
    const wanted = total * expected[token]!;
    if (wanted >= 5) classes.push([count, wanted]);
    else rest = [rest[0] + count, rest[1] + wanted];
  }
  if (rest[1] > 1) classes.push(rest);
  else expect(rest[0]).toBeLessThan(8);
  const value = classes.reduce((sum, [observed, wanted]) => sum + (observed - wanted) ** 2 / wanted, 0);
  return { value, freedom: classes.length - 1 };
}

describe('drawn tokens', () => {
  const prompt = [2, 7, 9];
  const withoutPad = (values: readonly number[]) => {
    const left = values.map((value, i) => (i === pad ? 0 : value));
    const sum = left.reduce((a, b) => a + b);
    return left.map((value) => value / sum);
  };

  test.each([1, 0.6, 2.5])('have the probabilities of the softmax: temperature %f', async (temperature) => {
    const model = await modelOf({}, {}, 3);
    const expected = withoutPad(probabilities(await nextLogits(model, prompt), temperature));
    const { value, freedom } = chiSquare(await drawn(model, prompt, 6000, { temperature }), expected);
    expect(freedom).toBeGreaterThan(3);
    // Mean `freedom`, deviation √(2·freedom): five deviations.
    expect(value).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
  });

  test('of top-k are those k, in the proportions of the softmax', async () => {
    const model = await modelOf();
    const logits = await nextLogits(model, prompt);
    const order = logits
      .map((_, i) => i)
      .filter((i) => i !== pad)
      .sort((a, b) => logits[b]! - logits[a]! || a - b);
    for (const topK of [1, 3, 8]) {
      const counts = await drawn(model, prompt, 3000, { topK, temperature: 3 });
      const top = new Set(order.slice(0, topK));
      expect(counts.map((count, i) => count > 0 && i)).toEqual(counts.map((_, i) => top.has(i) && i));
      const left = probabilities(logits, 3).map((p, i) => (top.has(i) ? p : 0));
      const { value, freedom } = chiSquare(counts, withoutPad(left));
      expect(value).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom) + 1e-9);
    }
  });

  test('of top-p are the fewest that have that probability together', async () => {
    const model = await modelOf();
    const logits = await nextLogits(model, prompt);
    const p = withoutPad(probabilities(logits, 2));
    const order = p.map((_, i) => i).sort((a, b) => p[b]! - p[a]! || a - b);
    for (const topP of [1e-9, 0.5, 0.8]) {
      const top = new Set<number>();
      for (let sum = 0; sum < topP; sum += p[order[top.size - 1]!]!) top.add(order[top.size]!);
      const counts = await drawn(model, prompt, 3000, { topP, temperature: 2 });
      expect(counts.map((count, i) => count > 0 && i)).toEqual(counts.map((_, i) => top.has(i) && i));
    }
    // top-k first, then top-p among those.
    const [first, second] = order as [number, number];
    const share = p[first]! / (p[first]! + p[second]!);
    const both = { topK: 2, topP: share - 1e-6, temperature: 2 };
    expect((await drawn(model, prompt, 200, both))[first]).toBe(200);
    expect((await drawn(model, prompt, 2000, { ...both, topP: share + 1e-6 }))[second]).toBeGreaterThan(0);
  });

  test('are of the first types alone where only those are wanted', async () => {
    const model = await modelOf();
    const types = 5;
    const counts = await drawn(model, prompt, 2000, { types, temperature: 3 });
    expect(counts.slice(types).every((count) => count === 0)).toBe(true);
    expect(counts.slice(0, types).filter((count) => count > 0).length).toBe(types - 1);
    for (const how of [{ greedy: true }, { beam: 3 }]) {
      const [found] = await model.generate(asArrays([prompt]), {
        ...how,
        types,
        maxTokens: 15,
        untilEos: false,
      });
      expect(found!.tokens.length).toBe(15);
      expect(Math.max(...found!.tokens)).toBeLessThan(types);
    }
  });

  test('hang on the seed and the number of the text, not on the others', async () => {
    const model = await modelOf();
    const options = { maxTokens: 20, seed: 3, untilEos: false };
    const together = await model.generate(asArrays(prompts), options);
    for (const [i, each] of prompts.entries()) {
      expect(await model.generate(asArrays([each]), { ...options, first: i })).toEqual([together[i]]);
    }
    expect(await model.generate(asArrays(prompts), options)).toEqual(together);
    const texts = (found: typeof together) => found.map(({ tokens }) => tokens.join(' '));
    const other = texts(await model.generate(asArrays(prompts), { ...options, seed: 4 }));
    expect(texts(together).filter((text, i) => text === other[i])).toEqual([]);
    const same = texts(await model.generate(asArrays([[2], [2], [2]]), options));
    expect(new Set(same).size).toBe(3);
  });

  test('end a text with eos, which counts, where that is asked for', async () => {
    const model = await modelOf();
    const parameters = await model.parameters();
    const options = { maxTokens: 40, temperature: 3 };
    const many = Array.from({ length: 30 }, () => [4, 5]);
    const open = await model.generate(asArrays(many), { ...options, untilEos: false });
    const ended = await model.generate(asArrays(many), options);
    let short = 0;
    for (const [i, { tokens }] of open.entries()) {
      const end = tokens.indexOf(eos);
      if (end >= 0) short++;
      expect([...ended[i]!.tokens]).toEqual([...tokens.slice(0, end < 0 ? undefined : end + 1)]);
      expect(tokens.includes(pad)).toBe(false);
    }
    expect(short).toBeGreaterThan(3);
    expect(await model.parameters()).toEqual(parameters);
  });
});

test('bfloat16 draws from logits in float32', async () => {
  const model = await modelOf({}, { precision: 'bfloat16' });
  const [found] = await model.generate(asArrays([[2, 5]]), { maxTokens: 30, untilEos: false });
  expect(found!.tokens.length).toBe(30);
  expect(found!.logProbabilities.every((x) => x <= 0 && Number.isFinite(x))).toBe(true);
});

describe('what is refused', () => {
  const refused = (work: () => Promise<unknown>, code: string, message: string | RegExp) =>
    expect(work()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });

  test('prompts and options', async () => {
    const model = await modelOf();
    const one = asArrays([[2]]);
    await refused(
      () => model.generate(asArrays([[2], []])),
      'INVALID_ARGUMENT',
      /prompts\[1\]: expected at least one/,
    );
    await refused(
      () => model.generate(asArrays([[2, 23]])),
      'TOKEN_OUT_OF_RANGE',
      /prompt 0, position 1.*got 23/,
    );
    await refused(() => model.generate(one, { temperature: 0 }), 'INVALID_ARGUMENT', /temperature/);
    await refused(() => model.generate(one, { topP: 1.5 }), 'INVALID_ARGUMENT', /topP/);
    await refused(() => model.generate(one, { greedy: true, topK: 3 }), 'INVALID_ARGUMENT', /greedy/);
    await refused(
      () => model.generate(one, { beam: 2, temperature: 3 }),
      'INVALID_ARGUMENT',
      /generation\.beam/,
    );
    await refused(() => model.generate(one, { beam: 2, greedy: true }), 'INVALID_ARGUMENT', /greedy/);
    expect(await model.generate([])).toEqual([]);
  });

  test('a network with an encoder', async () => {
    const model = await Transformer.create(
      { ...base, positions: 'sinusoidal', architecture: 'encoder-decoder', encoderLayers: 1 },
      { device: 'cpu' },
    );
    await refused(
      () => model.generate(asArrays([[2]])),
      'INVALID_ARGUMENT',
      /architecture is "decoder", got one of "encoder-decoder"/,
    );
  });

  test('logits that are not finite', async () => {
    const model = await modelOf();
    const inside = nativeTransformer(model);
    const parameters = await inside.parameters();
    parameters.get('decoder.layer_norm.weight')!.fill(Number.POSITIVE_INFINITY);
    await inside.setParameters(parameters);
    await refused(() => model.generate(asArrays([[2]])), 'NON_FINITE', /not finite/);
  });
});
