// `await using` as a TypeScript user writes it: compiled by TypeScript for a Node without the syntax, run with the library
// as it is built. At the end of the block nothing is under way, the native memory is free and a run's lock is gone.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../lib/native/binding.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from './training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

it('waits for the work in flight, then memory and lock are free', async () => {
  const data = join(place.path, 'data');
  const finished = join(place.path, 'finished');
  await makeReversalData(data);
  await trainAll({ ...tinyOptions(data, finished), maxUpdates: 10 });
  const source = readFileSync(fileURLToPath(new URL('await_using_program.ts', import.meta.url)), 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  expect(outputText).not.toContain('await using model');
  const program = join(place.path, 'program.mjs');
  const library = pathToFileURL(join(packageRoot, 'dist', 'index.js')).href;
  writeFileSync(program, outputText.replace("'../lib/index.js'", `'${library}'`));
  // Else glibc keeps up to 64 MB of the buffers that were freed, for each thread that had some.
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '1000000', MALLOC_TRIM_THRESHOLD_: '1000000' };
  const printed = execFileSync(process.execPath, [program, data, finished, place.path], {
    encoding: 'utf8',
    env,
  });
  const { seen, locks, memory } = JSON.parse(printed);
  expect(seen).toEqual({
    transformer: 'value',
    save: 'value',
    step: 'value',
    ownModel: 'value',
    fit: 'DISPOSED',
    translator: 'value',
  });
  expect(locks).toEqual({ step: [true, false], fit: [true, false] });
  expect(memory.taken).toBeGreaterThan(100);
  expect(memory.left).toBeLessThan(memory.taken / 3);
  // Logits outlive their model: their memory is kept for no other. Some of what is left is that of matrix products (oneMKL).
  expect(memory.ofLogits).toBeLessThan(240);
}, 120_000);
