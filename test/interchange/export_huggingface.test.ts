// Encoders on their way back to transformers: what was imported comes out as it was, and transformers (under the Python that
// RDROP_PYTHON names, where it has torch and transformers) loads it and predicts what it did.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { importHuggingFace } from '../../lib/interchange/huggingface/import_huggingface.js';
import { HuggingFaceTokenizer } from '../../lib/text/huggingface/tokenizer.js';
import { scratchDirectory } from '../support/scratch.js';
import { transformersSays } from '../support/transformers_python.js';

const models = join(import.meta.dirname, '../fixtures/huggingface/models');
const names = readdirSync(models).sort();

async function roundTrip(name: string) {
  const place = scratchDirectory();
  const [run, out] = [join(place, 'run'), join(place, 'out')];
  const imported = await importHuggingFace({ directory: join(models, name), out: run });
  await exportModel({ run, format: 'huggingface', out });
  return { run, out, imported };
}

const tensorsOf = async (directory: string, name = 'model.safetensors') =>
  (await readSafetensors(join(directory, name))).tensors;

const options = (directory: string) => JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));

/** Options of config.json that say the same in other words, or nothing. */
const said = ['id2label', 'label2id', 'problem_type', 'dtype', 'classifier_dropout', 'architectures'];

describe('export of an imported encoder', () => {
  it.each(names.filter((name) => !/sharded|old_names|bfloat16|masked/.test(name)))(
    '%s: tensors and options equal those that were read',
    async (name) => {
      const { out } = await roundTrip(name);
      const given = await tensorsOf(join(models, name));
      const written = await tensorsOf(out);
      expect([...written.keys()].sort()).toEqual([...given.keys()].sort());
      for (const [tensor, { shape, data }] of given) {
        expect([tensor, ...written.get(tensor)!.shape]).toEqual([tensor, ...shape]);
        expect(Buffer.compare(Buffer.from(written.get(tensor)!.data.buffer), Buffer.from(data.buffer))).toBe(
          0,
        );
      }
      const [before, after] = [options(join(models, name)), options(out)];
      for (const [option, value] of Object.entries(after))
        if (!said.includes(option) && option !== 'torch_dtype')
          expect([option, value]).toEqual([option, before[option]]);
      expect(after.architectures).toEqual(before.architectures);
      if (before.id2label !== undefined) expect(after.id2label).toEqual(before.id2label);
      const again = await roundTrip(name);
      expect(readFileSync(join(again.out, 'config.json'))).toEqual(readFileSync(join(out, 'config.json')));
      expect((await HuggingFaceTokenizer.read(out)).encode('a, b.', 'c')).toEqual(
        (await HuggingFaceTokenizer.read(again.run)).encode('a, b.', 'c'),
      );
    },
  );

  it('writes names of today, one file, and widened numbers', async () => {
    expect(await tensorsOf((await roundTrip('bert_old_names')).out)).toEqual(
      await tensorsOf(join(models, 'bert_encoder')),
    );
    expect(await tensorsOf((await roundTrip('bert_sharded')).out)).toEqual(
      await tensorsOf(join(models, 'bert_float32')),
    );
    const widened = await roundTrip('bert_bfloat16');
    expect(options(widened.out).dtype).toBe('float32');
    expect(await tensorsOf(widened.out)).toEqual(await tensorsOf(join(models, 'bert_bfloat16')));
  });

  it.each<[string, string, unknown, RegExp]>([
    ['a model of a kind of its own', 'norm', 'pre', /model\.norm: expected "post", got "pre"/],
    [
      'other dropout of the head',
      'headInputDropout',
      0.05,
      /model\.headInputDropout: expected 0\.1 as model\.headDropout/,
    ],
    ['another pooler', 'pooler', 'none', /model\.pooler: expected "tanh"/],
    ['another pooling', 'pooling', 'mean', /model\.pooling: expected "first"/],
  ])('refuses %s', async (_what, option, value, message) => {
    const { run } = await roundTrip('roberta');
    const path = join(run, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    config.model[option] = value;
    writeFileSync(path, JSON.stringify(config));
    await expect(exportModel({ run, format: 'huggingface', out: join(run, 'out') })).rejects.toMatchObject({
      code: expect.stringMatching(/NOT_EXPRESSIBLE|CHECKPOINT_MISMATCH|INVALID_CONFIG/),
    });
    const { encoderFiles } = await import('../../lib/interchange/huggingface/encoder_files.js');
    const tokenizer = await HuggingFaceTokenizer.read(run);
    const encoder = {
      path: 'run',
      config,
      model: config.model,
      tokenizer,
      labels: ['a'],
      head: true,
    } as never;
    expect(() => encoderFiles(encoder)).toThrow(message);
  });

  it('refuses formats of translation', async () => {
    const { run } = await roundTrip('bert');
    for (const format of ['fairseq', 'both'] as const)
      await expect(exportModel({ run, format, out: join(run, 'out') })).rejects.toThrow(
        /task: expected "translation" for the format/,
      );
    await expect(
      exportModel({ run, format: 'huggingface', out: join(run, 'out') }, { beam: 2 }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

interface Told {
  difference: number;
  missing: string[];
  single: number[];
  double: number[];
  types: number[] | null;
}

describe('transformers', () => {
  it('loads what was exported and predicts as before; its tokenizer gives the same ids', async (context) => {
    const chosen = names.filter((name) => !/masked|old_names|encoder/.test(name));
    const trips = await Promise.all(chosen.map(roundTrip));
    const directories = trips.flatMap(({ out }, i) => [join(models, chosen[i]!), out]);
    const said = transformersSays(script, directories);
    if (said.missing !== undefined) return context.skip(said.missing);
    const told = said.output
      .trim()
      .split('\n')
      .map((line): Told => JSON.parse(line));
    expect(told.length).toBe(trips.length);
    for (const [i, { difference, missing, single, double, types }] of told.entries()) {
      const text = await HuggingFaceTokenizer.read(trips[i]!.run);
      const { padId } = text;
      const theirs = (ids: Int32Array) => [...ids].map((id) => (id === padId ? 1 : id === 1 ? padId : id));
      const pair = text.encode('a, b. j?', 'cab');
      expect(missing).toEqual([]);
      expect(difference, chosen[i]).toBeLessThan(1e-6);
      expect(single).toEqual(theirs(text.encode('a, b. j?').ids));
      expect(double).toEqual(theirs(pair.ids));
      if (types !== null) expect(types).toEqual([...pair.types]);
    }
  }, 180_000);
});

const script = `
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
for given, out in zip(sys.argv[1::2], sys.argv[2::2]):
    model, loading = AutoModelForSequenceClassification.from_pretrained(out, output_loading_info=True)
    before = AutoModelForSequenceClassification.from_pretrained(given)
    if before.dtype == torch.bfloat16: before = before.float()
    assert model.config.id2label == before.config.id2label or model.config.num_labels == 1
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(2, model.config.vocab_size, (4, 9), generator=generator)
    with torch.no_grad():
        difference = (model.eval()(input_ids=ids).logits - before.eval()(input_ids=ids).logits).abs().max().item()
    tokenizer = AutoTokenizer.from_pretrained(out)
    encoded = tokenizer("a, b. j?", "cab")
    print(json.dumps({
        "difference": difference, "missing": sorted(loading["missing_keys"]) + sorted(loading["unexpected_keys"]),
        "single": tokenizer("a, b. j?")["input_ids"], "double": encoded["input_ids"], "types": encoded.get("token_type_ids"),
    }))
`;
