// What imported encoders compute is what transformers computed (test/fixtures/huggingface/record_models.py): hidden states, logits,
// the loss and every gradient, of padded and masked batches there and packed ones here.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../lib/data/safetensors/safetensors.js';
import { transformersName } from '../../lib/interchange/huggingface/encoder_parameters.js';
import { importHuggingFace } from '../../lib/interchange/huggingface/import_huggingface.js';
import type { Batch } from '../../lib/model/pack.js';
import { Transformer } from '../../lib/model/transformer.js';
import { HuggingFaceTokenizer } from '../../lib/text/huggingface/tokenizer.js';
import { scratchDirectory } from '../support/scratch.js';

const models = join(import.meta.dirname, '../fixtures/huggingface/models');
const names = readdirSync(models).filter((name) => !/sharded|old_names/.test(name));
const head = 'classification_heads.sentence_classification_head';

/** A run of a recorded model, what was recorded, and its batch in our ids. */
async function recorded(name: string) {
  const run = join(scratchDirectory(), 'run');
  const { kind, head } = await importHuggingFace({ directory: join(models, name), out: run });
  const { tensors: expected } = await readSafetensors(join(models, name, 'expected.safetensors'));
  const { padId } = await HuggingFaceTokenizer.read(run);
  const lengths = [...(expected.get('lengths')!.data as Int32Array)];
  const rows = (tensor: string) =>
    lengths.map((length, i) => (expected.get(tensor)!.data as Int32Array).slice(i * 11, i * 11 + length));
  const source = rows('ids').map((row) => row.map((id) => (id === padId ? 1 : id === 1 ? padId : id)));
  const tokenTypes = kind === 'distilbert' ? undefined : rows('types');
  // Without a head nothing is predicted; any class will do.
  const targets = expected.get('targets')?.data ?? new Int32Array(lengths.length);
  const batch: Batch =
    targets instanceof Int32Array
      ? { source, tokenTypes, target: [...targets].map((one) => Int32Array.of(one)) }
      : { source, tokenTypes, target: [], values: [...(targets as Float64Array)] };
  return {
    run,
    kind,
    head,
    padId,
    expected,
    batch,
    weights: join(run, 'checkpoints/best/model.safetensors'),
  };
}

/** The largest difference, in units of the largest number. */
function distance(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  expect(ours.length).toBe(theirs.length);
  let [largest, scale] = [0, 1];
  for (let i = 0; i < ours.length; i++) {
    largest = Math.max(largest, Math.abs(ours[i]! - theirs[i]!));
    scale = Math.max(scale, Math.abs(theirs[i]!));
    if (!Number.isFinite(ours[i]!)) return Number.NaN;
  }
  return largest / scale;
}

const isDouble = (tensor: Tensor) => tensor.data instanceof Float64Array;

describe('imported encoders compute what transformers does', () => {
  it.each(names)('%s', async (name) => {
    const { kind, head: hasHead, padId, expected, batch, weights } = await recorded(name);
    const tolerance = isDouble(expected.get('hidden')!) ? 1e-9 : 1e-5;
    if (hasHead === null) await addHead(weights);
    using model = await Transformer.load(weights);
    expect(distance(await model.hidden(batch), expected.get('hidden')!.data as Float64Array)).toBeLessThan(
      tolerance,
    );
    if (hasHead === null) return;
    expect(distance(await model.logits(batch), expected.get('logits')!.data as Float64Array)).toBeLessThan(
      tolerance,
    );
    const options = { passes: 1, direction: 'uni', alpha: 0 } as const;
    const { loss, gradients } = await model.lossAndGradients(batch, options, { training: false });
    expect(distance([loss], [Number(expected.get('loss')!.data[0])])).toBeLessThan(tolerance);
    for (const [parameter, gradient] of gradients) {
      const theirs = expected.get(`gradient.${transformersName(parameter, kind)}`)!;
      let values: ArrayLike<number> = gradient as Float64Array;
      if (parameter === 'encoder.embed_tokens.weight') values = exchanged(gradient as Float64Array, padId, 8);
      if (parameter === 'encoder.embed_positions.weight' && kind !== 'roberta')
        values = (gradient as Float64Array).slice(16);
      expect([parameter, distance(values, theirs.data as Float64Array) < tolerance]).toEqual([
        parameter,
        true,
      ]);
    }
    expect(gradients.size).toBe([...expected.keys()].filter((key) => key.startsWith('gradient.')).length);
  });

  it('says so where the head is asked of an encoder that has none', async () => {
    const { weights } = await recorded('bert_encoder');
    await expect(Transformer.load(weights)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  });
});

/** The rows of padding and of 1 in their places there. */
function exchanged(values: Float64Array, padId: number, width: number): Float64Array {
  const all = values.slice();
  all.set(values.subarray(padId * width, (padId + 1) * width), width);
  all.set(values.subarray(width, 2 * width), padId * width);
  return all;
}

/** Zeros for the parameters of the head that are not there. */
async function addHead(path: string): Promise<void> {
  const { tensors, metadata } = await readSafetensors(path);
  const first = tensors.get('encoder.embed_tokens.weight')!;
  const zeros = (shape: number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    return { shape, data: isDouble(first) ? new Float64Array(size) : new Float32Array(size) };
  };
  const { outputs } = JSON.parse(metadata['rdrop']!);
  for (const [part, rows] of [
    ['dense', 8],
    ['out_proj', outputs],
  ] as const) {
    if (tensors.has(`${head}.${part}.weight`)) continue;
    tensors.set(`${head}.${part}.weight`, zeros([rows, 8]));
    tensors.set(`${head}.${part}.bias`, zeros([rows]));
  }
  writeFileSync(path, Buffer.concat(encodeSafetensors(tensors, metadata)));
}
