import { existsSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Trainer } from '../../lib/training/trainer.js';
import { fitAll, makeReversalData, metricsOf, tinyOptions, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let half: string;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'), { train: 40, valid: 6, test: 6 });
  half = at('half');
  const trainer = await Trainer.create({ ...tinyOptions(at('data'), half), logInterval: 2, maxUpdates: 20 });
  for await (const event of trainer.fit()) if (event.type === 'checkpoint' && event.update === 10) break;
  trainer.dispose();
});
afterAll(() => place.remove());

/** Changes metrics.jsonl (five lines of training, one of validation) and resumes. */
async function resumeWith(name: string, change: (text: string) => string | Buffer) {
  const run = at(name);
  await cp(half, run, { recursive: true });
  const path = join(run, 'metrics.jsonl');
  const before = await readFile(path, 'utf8');
  await writeFile(path, change(before));
  using trainer = await Trainer.resume(run);
  const events = await fitAll(trainer);
  trainer.dispose();
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event] : []));
  return { run, path, warnings, lines: await metricsOf(run), before };
}

describe('metrics.jsonl of a resumed run', () => {
  it('says nothing where all is well, nor of a line that a killed process did not finish', async () => {
    const { warnings, lines } = await resumeWith('well', (text) => `${text}{"type":"train","upd`);
    expect(warnings).toEqual([]);
    expect(lines).toHaveLength(12);
  });

  it.each([
    ['text', (line: string) => `${line.slice(0, 30)}`],
    ['other JSON', () => '{"update": 4}'],
    ['zeros, as a file system leaves them', (line: string) => '\0'.repeat(line.length)],
  ])('a damaged line (%s) is told with its number and kept aside', async (name, damage) => {
    const { path, warnings, lines, before } = await resumeWith(`damaged-${name.slice(0, 5)}`, (text) => {
      const rows = text.split('\n');
      rows[1] = damage(rows[1]!);
      return rows.join('\n');
    });
    expect(warnings).toMatchObject([
      { code: 'METRICS_DAMAGED', message: expect.stringContaining(`${path}:2: expected a line of metrics`) },
      {
        code: 'METRICS_DAMAGED',
        message: expect.stringContaining('6 lines that the checkpoint of update 10 counts, got 5'),
      },
    ]);
    expect(lines).toHaveLength(11);
    expect(await readFile(`${path}.damaged`, 'utf8')).toBe(`2\t${damage(before.split('\n')[1]!)}\n`);
  });

  it('lines that are missing are reported', async () => {
    const { path, warnings } = await resumeWith('missing', (text) => text.split('\n').slice(0, 3).join('\n'));
    expect(warnings).toMatchObject([
      { message: `${path}: expected the 6 lines that the checkpoint of update 10 counts, got 3` },
    ]);
    expect(existsSync(`${path}.damaged`)).toBe(false);
  });
});
