import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../lib/native/binding.js';
import { type SweepEvent, sweep } from '../../../lib/sweep/sweep.js';
import { Trainer } from '../../../lib/training/trainer.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from '../tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
const at = (name: string) => join(place.path, name);
const heard: { name: string; code?: string; message: string }[] = [];
const hear = (warning: Error) => heard.push(warning as (typeof heard)[number]);
beforeAll(async () => {
  place = await workplace();
  data = at('data');
  await makeReversalData(data);
  process.on('warning', hear);
});
afterAll(async () => {
  process.off('warning', hear);
  await place.remove();
});

const still = { dropout: 0, attentionDropout: 0, activationDropout: 0 };
let runs = 0;
/** Options of a run of two updates. */
const short = (model: object, loss: object = {}) => {
  const options = tinyOptions(data, at(`run${runs++}`));
  return { ...options, maxUpdates: 2, logInterval: 1, model: { ...options.model, ...model }, loss };
};

describe('α above 0 without dropout', () => {
  it('is warned of once in the process and once as an event of each run', async () => {
    heard.length = 0;
    for (let i = 0; i < 2; i++) {
      using trainer = await Trainer.create(short(still));
      const events = await fitAll(trainer);
      expect(events.filter(({ type }) => type === 'warning')).toEqual([
        {
          type: 'warning',
          code: 'NO_DROPOUT',
          message: expect.stringMatching(/^loss\.alpha is 5, but model\.dropout, .* all 0: .*KL term is 0/),
          update: 0,
          epoch: 1,
        },
      ]);
      expect(events[0]?.type).toBe('warning');
      // It is true: this is what it warns of.
      expect(events.find((event) => event.type === 'train')).toMatchObject({ kl: 0 });
      expect((await fitAll(trainer)).map(({ type }) => type)).toEqual(['end']);
    }
    expect(heard.map(({ name, code }) => [name, code])).toEqual([['RdropWarning', 'NO_DROPOUT']]);
  });

  it.each([
    ['α is 0', still, { alpha: 0 }],
    ['there is dropout', { ...still, dropout: 0.1 }, {}],
    ['attention has some', { ...still, attentionDropout: 0.1 }, {}],
    ['the activation has some', { ...still, activationDropout: 0.1 }, {}],
  ])('is not where %s', async (_, model, loss) => {
    using trainer = await Trainer.create(short(model, loss));
    expect((await fitAll(trainer)).map(({ type }) => type)).not.toContain('warning');
  });

  it('is an event of a sweep, once for all trials', async () => {
    const { runDirectory: _r, seed: _s, ...shared } = short(still);
    const events: SweepEvent[] = [];
    const options = { directory: at('sweep'), seeds: [1, 2], directions: ['bi' as const], parallel: 1 };
    for await (const event of sweep(shared, options)) events.push(event);
    expect(events.filter(({ type }) => type === 'warning')).toEqual([
      { type: 'warning', code: 'NO_DROPOUT', message: expect.stringContaining('all 0') },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'end', finished: 2, failed: 0 });
  });

  it('is a line on standard error of rdrop train, in its own form', async () => {
    const { runDirectory, ...options } = short(still);
    await writeFile(at('config.json'), JSON.stringify(options));
    const main = join(packageRoot, 'dist/cli/main.js');
    const args = ['train', '--run', runDirectory, '--config', at('config.json'), '--json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(stderr.match(/^rdrop: warning: loss\.alpha is 5.*$/gm)).toHaveLength(1);
    expect(stderr).not.toContain('(node:');
    expect(JSON.parse(stdout)).toMatchObject({ updates: 2 });
  });
});

describe('a target without spaces between words', () => {
  it('is warned of before the first update, with the figure to report instead', async () => {
    const chinese = at('chinese');
    await makeReversalData(chinese);
    for (const split of ['valid', 'test'])
      await writeFile(join(chinese, 'raw', `${split}.en`), '我喜欢吃苹果，你呢？\n'.repeat(16));
    using trainer = await Trainer.create({ ...short({}), data: chinese });
    const [first] = await fitAll(trainer);
    expect(first).toMatchObject({ type: 'warning', code: 'UNFIT_TOKENIZER' });
    expect(first?.type === 'warning' && first.message).toMatch(/13a .*Chinese.*"BLEU char".*--tokenize char/);
  });
});
