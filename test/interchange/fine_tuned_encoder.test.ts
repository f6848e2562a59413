// From transformers to rdrop and back: an imported encoder is fine-tuned with R-Drop, exported, and predicts there what it predicts here.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../lib/data/safetensors/safetensors.js';
import { prepareTask } from '../../lib/data/tasks/prepare_task.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { importHuggingFace } from '../../lib/interchange/huggingface/import_huggingface.js';
import { Predictor } from '../../lib/prediction/predictor.js';
import { Trainer } from '../../lib/training/trainer.js';
import { scratchDirectory } from '../support/scratch.js';
import { transformersSays } from '../support/transformers_python.js';

const models = join(import.meta.dirname, '../fixtures/huggingface/models');
const labels = ['other', 'vowel'];
const texts = ['a b', 'j', 'E i?', 'b, a'].map((text): [string, string] => [text, 'cab.']);

/** Pairs of letters with a label: whether the first is a vowel. */
function examples(count: number): string {
  const letters = 'abcdefghij';
  return Array.from({ length: count }, (_, i) => {
    const [first, second] = [letters[(i * 7) % 10]!, letters[(i * 3 + 1) % 10]!];
    return `${first} ${second}\t${second}${first}.\t${'aei'.includes(first) ? 'vowel' : 'other'}\n`;
  }).join('');
}

/** A recorded encoder, fine-tuned on pairs, and its export. */
async function fineTuned(name: string) {
  const place = scratchDirectory();
  const at = (part: string) => join(place, part);
  await importHuggingFace({ directory: join(models, name), out: at('encoder'), pairs: true });
  writeFileSync(at('train.tsv'), examples(40));
  writeFileSync(at('valid.tsv'), examples(10));
  await prepareTask({
    ...{ task: 'classification', train: at('train.tsv'), valid: at('valid.tsv'), out: at('data') },
    ...{ pairs: true, pieces: 'huggingface', tokenizer: at('encoder') },
  });
  const options = JSON.parse(readFileSync(at('encoder/model.json'), 'utf8'));
  await using trainer = await Trainer.create({
    ...{ ...options, task: 'classification', data: at('data'), runDirectory: at('run'), init: at('encoder') },
    ...{ device: 'cpu', threads: 1, maxUpdates: 4, loss: { direction: 'bi', alpha: 1, labelSmoothing: 0 } },
    optimizer: { schedule: 'linear', learningRate: 0.01, warmupUpdates: 1 },
  });
  const events: { type: string; message?: string }[] = [];
  for await (const event of trainer.fit()) events.push(event as { type: string });
  await exportModel({ run: at('run'), format: 'huggingface', out: at('out') });
  return { at, events };
}

async function probabilities(run: string): Promise<number[][]> {
  using predictor = await Predictor.load(run);
  return (await predictor.predict(texts)).map((one) => [...Object.values(one!.probabilities!)]);
}

describe.each(['bert_encoder', 'roberta', 'distilbert'])('%s', (name) => {
  it('is fine-tuned, and what was exported predicts the same', async (context) => {
    const { at } = await fineTuned(name);
    const [before, after] = await Promise.all(
      [at('encoder'), at('run')].map((run) =>
        readSafetensors(join(run, 'checkpoints/best/model.safetensors')),
      ),
    );
    const moved = [...before!.tensors].filter(
      ([parameter, { data }]) => String(data) !== String(after!.tensors.get(parameter)!.data),
    );
    expect(moved.length).toBeGreaterThan(20);
    // It began with them: a few steps of 0.01 away.
    const [, first] = [...before!.tensors].find(([parameter]) => parameter.endsWith('fc1.weight'))!;
    const last = after!.tensors.get('encoder.layers.0.fc1.weight')!.data;
    first.data.forEach((value, i) => {
      expect(Math.abs(Number(value) - Number(last[i]))).toBeLessThan(0.05);
    });
    const told = await probabilities(at('run'));
    expect(told.length).toBe(texts.length);
    await importHuggingFace({ directory: at('out'), out: at('again'), pairs: true });
    expect(await probabilities(at('again'))).toEqual(told);
    expect(readFileSync(at('again/labels.txt'), 'utf8')).toBe(`${labels.join('\n')}\n`);

    const said = transformersSays(script, [at('out'), JSON.stringify(texts)]);
    if (said.missing !== undefined) return context.skip(said.missing);
    const theirs: number[][] = JSON.parse(said.output);
    for (const [i, row] of told.entries())
      for (const [j, probability] of row.entries()) expect(theirs[i]![j]).toBeCloseTo(probability, 9);
  }, 120_000);
});

const script = `
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.loads(sys.argv[2])
encoded = tokenizer([one[0] for one in texts], [one[1] for one in texts], padding=True, return_tensors="pt")
print(json.dumps(model(**encoded).logits.softmax(-1).tolist()))
`;
