import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { Trainer } from '../../lib/training/trainer.js';
import { fitAll, makeReversalData, workplace } from '../training/tiny_run.js';

/**
 * What a loss of power leaves. The program works on an ext4 file system of its own, in an image on a loop device; whenever it
 * says that something is done, the image is copied without unmounting or flushing anything, and the copy mounted, so that its
 * journal is replayed. The copy has what ext4 has handed to the device by then: what the program flushed, and nothing else,
 * since ext4 is told to commit by itself only after ten minutes and allocates late. It is the loss of everything in memory, on
 * a device that keeps what it was given; a device that lies about a flush is not modeled.
 */
let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe' });

beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('text'), { train: 24, valid: 6, test: 6 });
});
afterAll(() => place.remove());

/** A new ext4 file system, mounted; or why that cannot be. */
async function mountImage(image: string, directory: string): Promise<string | null> {
  await writeFile(image, '');
  await truncate(image, 48 << 20);
  await mkdir(directory);
  try {
    run('mkfs.ext4', '-q', '-F', image);
    run('mount', '-o', 'loop,commit=600', image, directory);
    return null;
  } catch (error) {
    return `an ext4 image cannot be mounted here (${(error as Error).message.split('\n')[0]})`;
  }
}

const sha256 = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));

/** The update of a checkpoint whose files are those that its state names. */
async function checkpointAt(
  path: string,
): Promise<{ update: number; metricsLines: number; best: { update: number } }> {
  const { files, state } = await json(join(path, 'state.json'));
  for (const [name, hash] of Object.entries(files)) expect(await sha256(join(path, name)), name).toBe(hash);
  return state;
}

/** Every file below a directory, as it is seen now, with its SHA-256. */
async function treeOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile()) found[relative(directory, path)] = await sha256(path);
  }
  return found;
}

/** What was told up to a moment must be in `root` after a loss of power at it, as it is in `live`. */
async function checkTold(told: Record<string, unknown>[], root: string, live: string): Promise<void> {
  const last = (type: string) => told.filter((event) => event['type'] === type).at(-1);
  const made = { prepared: join('deep', 'data'), reported: join('reports', 'one'), exported: 'exported' };
  for (const [type, name] of Object.entries(made)) {
    if (last(type)) expect(await treeOf(join(root, name)), type).toEqual(await treeOf(join(live, name)));
  }
  const directory = join(root, 'runs', 'one');
  const checkpoint = last('checkpoint');
  const valid = told.filter((event) => event['type'] === 'validation' && event['best'] === true).at(-1);
  if (checkpoint || valid) {
    const state = await checkpointAt(join(directory, 'checkpoints', 'last'));
    expect(state.update).toBe(
      Math.max(...[checkpoint, valid].map((event) => (event?.['update'] as number) ?? 0)),
    );
    const text = await readFile(join(directory, 'metrics.jsonl'), 'utf8');
    const lines = text.split('\n').slice(0, state.metricsLines);
    expect(lines).toHaveLength(state.metricsLines);
    for (const line of lines) expect(JSON.parse(line).update).toBeLessThanOrEqual(state.update);
    if (valid) {
      const best = await checkpointAt(join(directory, 'checkpoints', 'best'));
      expect(best.update).toBe(valid['update']);
      expect(state.best.update).toBe(valid['update']);
    }
  }
  const end = last('end');
  if (end) {
    expect(await json(join(directory, 'result.json'))).toEqual(end['result']);
    const translated = await readFile(join(directory, 'hypotheses', 'test.en'), 'utf8');
    expect(translated.trimEnd().split('\n')).toHaveLength(6);
  }
}

it('what was said to be done is there after a loss of power, at every moment', {
  timeout: 300_000,
}, async (context) => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return context.skip('mounting an image needs Linux and root');
  }
  const [image, disk, copy, after] = [at('image'), at('disk'), at('copy'), at('after')];
  const reason = await mountImage(image, disk);
  if (reason !== null) return context.skip(reason);
  const failures: string[] = [];
  const told: Record<string, unknown>[] = [];
  let resumed = 0;
  try {
    const child = spawn(
      process.execPath,
      [join(packageRoot, 'test', 'faults', 'reported.mjs'), disk, at('text'), join(packageRoot, 'dist')],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    await mkdir(after);
    for await (const line of createInterface({ input: child.stdout })) {
      told.push(JSON.parse(line));
      run('cp', '--sparse=always', image, copy);
      run('mount', '-o', 'loop', copy, after);
      try {
        await checkTold(told, after, disk);
        // And the run goes on from there.
        const event = told.at(-1)!;
        if (event['type'] === 'checkpoint' && (resumed === 0 || process.env['RDROP_TEST_LONG'] === '1')) {
          using trainer = await Trainer.resume(join(after, 'runs', 'one'));
          expect(trainer.update).toBe(event['update']);
          expect((await fitAll(trainer)).at(-1)).toMatchObject({ type: 'end', reason: 'maxUpdates' });
          resumed++;
        }
      } catch (error) {
        failures.push(
          `${JSON.stringify(told.at(-1)).slice(0, 80)}: ${error instanceof Error ? error.message : error}`,
        );
      } finally {
        run('umount', after);
        await rm(copy);
      }
      child.stdin.write('on\n');
    }
  } finally {
    run('umount', disk);
  }
  expect(failures.join('\n\n')).toBe('');
  expect(resumed).toBeGreaterThan(0);
  const types = told.map((event) => event['type']);
  expect(types).toEqual(
    expect.arrayContaining(['prepared', 'checkpoint', 'validation', 'end', 'reported', 'exported']),
  );
  expect(existsSync(copy)).toBe(false);
});
