import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../../../lib/training/tensorboard/crc32c.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { fitAll, makeReversalData, metricsOf, tinyOptions, workplace } from '../tiny_run.js';

const script = fileURLToPath(new URL('read_events.py', import.meta.url));
const python = spawnSync('python3', ['--version']).status === 0;
type Scalars = Record<string, [step: number, value: number][]>;

/** What readers find: one that is written from the specification, and TensorBoard's own where Python has it. */
function readings(directory: string): Scalars[] {
  return [['plain'], []].map((asked) => {
    const printed = execFileSync('python3', [script, directory, ...asked], { encoding: 'utf8' });
    return (JSON.parse(printed) as { scalars: Scalars }).scalars;
  });
}

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  await makeReversalData(data);
});
afterAll(() => place.remove());

it('has the checksums of RFC 3720, appendix B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  // The length of the first record of an event file of TensorFlow, and the sum behind it.
  expect(maskedCrc32c(Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0))).toBe(0x224b7fa3);
});

describe('event files', () => {
  beforeEach((context) => {
    if (!python) context.skip('no python3');
  });

  /** The points that metrics.jsonl has of a tag. */
  async function pointsOf(run: string, type: string, key: string) {
    const lines = (await metricsOf(run)).filter((line) => line['type'] === type);
    return lines.map((line) => [line['update'], Math.fround(line[key] as number)]);
  }

  it('hold what metrics.jsonl holds, once, after a run was left and resumed', async () => {
    const run = join(place.path, 'run');
    const options = { ...tinyOptions(data, run), checkpointInterval: 25, tensorboard: true };
    options.validation.metric = 'bleu' as never;
    {
      using trainer = await Trainer.create(options);
      // Left after the line of update 30 and before its validation: the last checkpoint is that of update 25.
      for await (const event of trainer.fit()) if (event.type === 'train' && event.update === 30) break;
    }
    {
      using trainer = await Trainer.resume(run);
      await fitAll(trainer);
    }
    expect(readdirSync(join(run, 'tensorboard')).sort()).toHaveLength(2);
    for (const found of readings(join(run, 'tensorboard'))) {
      expect(found['train/loss']).toEqual(await pointsOf(run, 'train', 'loss'));
      expect(found['train/loss']!.map(([step]) => step)).toEqual([10, 20, 30]);
      expect(found['train/learning_rate']).toEqual(await pointsOf(run, 'train', 'learningRate'));
      expect(found['validation/bleu']).toEqual(await pointsOf(run, 'validation', 'bleu'));
      expect(Object.keys(found)).toContain('train/tokens_per_second');
    }
    const last = JSON.parse(await readFile(join(run, 'hypotheses', 'valid.last.json'), 'utf8'));
    expect(last.update).toBe(30);
    expect(last.samples).toHaveLength(8);
    const [sources, references] = await Promise.all(
      ['de', 'en'].map(async (side) =>
        (await readFile(join(data, 'raw', `valid.${side}`), 'utf8')).split('\n'),
      ),
    );
    for (const { line, source, reference } of last.samples)
      expect([source, reference]).toEqual([sources![line - 1], references![line - 1]]);
  }, 60_000);

  it('are not written unless asked for, and may be asked for when a run is resumed', async () => {
    const run = join(place.path, 'later');
    {
      using trainer = await Trainer.create({ ...tinyOptions(data, run), maxUpdates: 10 });
      await fitAll(trainer);
    }
    expect(readdirSync(run)).not.toContain('tensorboard');
    using trainer = await Trainer.resume(run, { maxUpdates: 20, tensorboard: true });
    await fitAll(trainer);
    for (const found of readings(join(run, 'tensorboard')))
      expect(found['train/loss']!.map(([step]) => step)).toEqual([10, 20]);
  }, 60_000);
});
