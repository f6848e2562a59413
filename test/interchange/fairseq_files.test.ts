// What fairseq and CTranslate2's converter made of our exports: recorded in test/fixtures/interchange by running them on the
// same bytes.
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Tensor } from '../../lib/data/safetensors/safetensors.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { readFairseqCheckpoint } from '../../lib/interchange/fairseq/checkpoint.js';
import { Transformer } from '../../lib/model/transformer.js';
import type { ModelOptions } from '../../lib/options/index.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { interchangePath, recordedJson, trainedSources } from '../support/fixtures/interchange_fixtures.js';
import { exportedFork, fileHash, type Hypothesis, makeRun, sha256 } from './exported_run.js';

interface Fairseq {
  files: Record<string, string>;
  missing: string[];
  unexpected: string[];
  updates: number;
  translations: Hypothesis[];
  losses: number[];
  ctranslate2?: {
    converted: Record<string, number>;
    config: Record<string, unknown>;
    vocabularies: Record<'source' | 'target', string[]>;
    variables: Record<string, { shape: number[]; sha256: string }>;
  };
}

const recordedFairseq = ['fork', 'newest'].map((name) => recordedJson<Fairseq>(`fairseq_${name}.json`));

let fork: Awaited<ReturnType<typeof exportedFork>>;
let parameters: Map<string, Tensor>;
beforeAll(async () => {
  fork = await exportedFork();
  ({ parameters } = await readFairseqCheckpoint(interchangePath('fork.pt')));
});
afterAll(() => fork.remove());

describe("fairseq and CTranslate2's converter", () => {
  it.each([0, 1])('loaded these files, byte for byte (%i)', async (i) => {
    const { files, missing, unexpected, updates } = recordedFairseq[i]!;
    expect(Object.keys(files)).toEqual(['checkpoint_best.pt', 'code', 'dict.de.txt', 'dict.en.txt']);
    for (const [name, hash] of Object.entries(files))
      expect(await fileHash(join(fork.directory, name)), name).toBe(hash);
    expect({ missing, unexpected, updates }).toEqual({ missing: [], unexpected: [], updates: 2500 });
  });

  it('fairseq translated as the native model does, and went on from the same loss', async () => {
    using model = await Transformer.load(join(fork.run, 'checkpoints', 'best', 'model.safetensors'));
    const translations = (await model.translate(trainedSources)).map(([best]) => best!);
    const target = Int32Array.from(
      JSON.parse(readFileSync(new URL('../fixtures/fairseq/trained_beam.json', import.meta.url), 'utf8'))
        .splits.valid.target[1],
    );
    const { crossEntropy, nll } = await model.evaluate(
      { source: [trainedSources[1]!], target: [target] },
      { direction: 'uni', alpha: 0, labelSmoothing: 0.1 },
    );
    // This criterion spreads ε over the other classes, dropreg's and ours over all of them.
    const all = ((crossEntropy - 0.9 * nll) * 40) / 0.1;
    const loss = (0.9 - 0.1 / 39) * nll + (0.1 / 39) * all;
    for (const recorded of recordedFairseq) {
      translations.forEach(({ tokens, score }, i) => {
        expect([...tokens]).toEqual(recorded.translations[i]!.tokens);
        expect(score).toBeCloseTo(recorded.translations[i]!.score, 4);
      });
      expect(loss / recorded.losses[0]!).toBeCloseTo(1, 5);
      expect(recorded.losses[2]!).toBeLessThan(recorded.losses[0]!);
    }
  });

  it('CTranslate2 made the network of our parameters', async () => {
    const { converted, config: options, vocabularies, variables } = recordedFairseq[1]!.ctranslate2!;
    expect(Object.keys(converted)).toEqual(['config.json', 'model.bin', 'shared_vocabulary.json']);
    expect(options).toMatchObject({
      decoder_start_token: '</s>',
      add_source_eos: true,
      add_source_bos: false,
    });
    const dictionary = await Dictionary.read(join(fork.run, 'dict.txt'));
    const symbols = dictionary.symbols.map((symbol) => (symbol === '<pad>' ? '<blank>' : symbol));
    expect(vocabularies).toEqual({ source: symbols, target: symbols });
    const data = (...names: string[]) =>
      Buffer.concat(
        names.map((name) => {
          const { buffer, byteOffset, byteLength } = parameters.get(name)!.data;
          return Buffer.from(buffer, byteOffset, byteLength);
        }),
      );
    const checked = new Set<string>();
    const same = (variable: string, ...names: string[]) => {
      checked.add(variable);
      expect(variables[variable]?.sha256, variable).toBe(sha256(data(...names)));
    };
    const embedding = 'encoder.embed_tokens.weight';
    same('encoder/embeddings_0/weight', embedding);
    same('decoder/embeddings/weight', embedding);
    const norm = (to: string, from: string) => {
      same(`${to}/gamma`, `${from}.weight`);
      same(`${to}/beta`, `${from}.bias`);
    };
    const linear = (to: string, ...from: string[]) => {
      for (const part of ['weight', 'bias']) same(`${to}/${part}`, ...from.map((name) => `${name}.${part}`));
    };
    for (const side of ['encoder', 'decoder']) {
      for (let i = 0; i < 2; i++) {
        const [to, from] = [`${side}/layer_${i}`, `${side}.layers.${i}`];
        const projections = (name: string, letters: string) =>
          [...letters].map((letter) => `${from}.${name}.${letter}_proj`);
        linear(`${to}/self_attention/linear_0`, ...projections('self_attn', 'qkv'));
        linear(`${to}/self_attention/linear_1`, `${from}.self_attn.out_proj`);
        norm(`${to}/self_attention/layer_norm`, `${from}.self_attn_layer_norm`);
        linear(`${to}/ffn/linear_0`, `${from}.fc1`);
        linear(`${to}/ffn/linear_1`, `${from}.fc2`);
        norm(`${to}/ffn/layer_norm`, `${from}.final_layer_norm`);
        if (side === 'encoder') continue;
        linear(`${to}/attention/linear_0`, ...projections('encoder_attn', 'q'));
        linear(`${to}/attention/linear_1`, ...projections('encoder_attn', 'kv'));
        linear(`${to}/attention/linear_2`, `${from}.encoder_attn.out_proj`);
        norm(`${to}/attention/layer_norm`, `${from}.encoder_attn_layer_norm`);
      }
      const number = (value: number, type: 'i8' | 'i16' | 'f32') => {
        const bytes = Buffer.alloc({ i8: 1, i16: 2, f32: 4 }[type]);
        if (type === 'i8') bytes.writeInt8(value);
        else if (type === 'i16') bytes.writeInt16LE(value);
        else bytes.writeFloatLE(value);
        return sha256(bytes);
      };
      expect(variables[`${side}/num_heads`]!.sha256).toBe(number(4, 'i16'));
      expect(variables[`${side}/pre_norm`]!.sha256).toBe(number(0, 'i8'));
      expect(variables[`${side}/activation`]!.sha256).toBe(number(0, 'i8'));
      expect(variables[`${side}/scale_embeddings`]!.sha256).toBe(number(Math.sqrt(32), 'f32'));
    }
    const weights = Object.keys(variables).filter((name) => /(weight|bias|gamma|beta)$/.test(name));
    expect(weights.filter((name) => !checked.has(name))).toEqual(
      weights.includes('decoder/projection/weight') ? ['decoder/projection/weight'] : [],
    );
  });
});

test.each<Partial<ModelOptions>>([
  { shareEmbeddings: 'all', norm: 'pre' },
  { shareEmbeddings: 'decoder', activation: 'gelu' },
  { shareEmbeddings: 'none', norm: 'pre', dropout: 0.2, maxPositions: 99 },
])('a run through fairseq and back: %j', async (options) => {
  const { run: from, model, tensors, out } = await makeRun(options);
  const { files, differences } = await exportModel({ run: from, format: 'fairseq', out });
  expect(files).toEqual(['checkpoint_best.pt', 'code', 'dict.de.txt', 'dict.en.txt']);
  expect(differences).toEqual([]);
  expect((await readdir(out)).sort()).toEqual(files);
  const back = await readFairseqCheckpoint(join(out, 'checkpoint_best.pt'));
  expect(back).toEqual({ model, parameters: tensors, source: 'de', target: 'en', updates: 0 });
});
