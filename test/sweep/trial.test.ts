import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SweepEvent, sweep } from '../../lib/sweep/sweep.js';
import { prepareTinyDemo, tinyTraining } from '../support/sweeps/sweeps.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-trial-'));
  await prepareTinyDemo(join(root, 'text'), join(root, 'data'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const start = (name: string, signal?: AbortSignal): AsyncGenerator<SweepEvent> =>
  sweep(
    tinyTraining(join(root, 'data'), 12, { logInterval: 1, validation: { interval: 6, metric: 'loss' } }),
    {
      directory: join(root, name),
      seeds: [63],
      directions: ['baseline', 'bi'],
      ...(signal ? { signal } : {}),
    },
  );
const file = (name: string, trial: string, path: string): Promise<Buffer> =>
  readFile(join(root, name, trial, path));

/** The trials' own program (dist/sweep/trial.js), training small models. */
describe('a trial', () => {
  it('trains in a process of its own, and goes on after an abort as if it had never stopped', async () => {
    const results = new Map<string, Extract<SweepEvent, { type: 'finish' }>>();
    for await (const event of start('whole')) {
      if (event.type === 'fail') throw event.error;
      if (event.type === 'finish') results.set(event.trial.name, event);
    }
    expect(results.get('baseline-63')?.result).toMatchObject({ seed: 63, alpha: 0, updates: 12 });
    expect(results.get('bi-63')?.result).toMatchObject({ direction: 'bi', alpha: 5, updates: 12 });
    expect(results.get('bi-63')?.result.testBleu?.signature).toContain('tok:13a');

    const controller = new AbortController();
    let ended: SweepEvent | undefined;
    for await (const event of start('halves', controller.signal)) {
      if (event.type === 'progress' && event.event.update >= 3) controller.abort();
      ended = event;
    }
    expect(ended).toMatchObject({ type: 'end', reason: 'aborted' });
    const resumed: string[] = [];
    for await (const event of start('halves')) {
      if (event.type === 'fail') throw event.error;
      if (event.type === 'start' && event.resumed) resumed.push(event.trial.name);
    }
    expect(resumed.length).toBeGreaterThan(0);
    for (const trial of ['baseline-63', 'bi-63']) {
      const path = 'checkpoints/last/model.safetensors';
      expect((await file('halves', trial, path)).equals(await file('whole', trial, path))).toBe(true);
    }
    const [plain, bi] = await Promise.all(
      ['baseline-63', 'bi-63'].map((trial) => file('whole', trial, 'checkpoints/last/model.safetensors')),
    );
    expect(plain?.equals(bi as Buffer)).toBe(false);
  });
});
