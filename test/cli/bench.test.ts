import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BenchRow } from '../../lib/benchmark/measure.js';
import { findPeerPython } from '../../lib/benchmark/peer_process.js';
import { benchCommand } from '../../lib/cli/bench.js';
import { descriptions } from '../../lib/cli/shared/named_command.js';
import { packageRoot } from '../../lib/native/binding.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeReversalData, tinyOptions, trainAll } from '../training/tiny_run.js';

const python = await findPeerPython(undefined);
const oneThread = ['--threads', '1'];
const bench = (...args: string[]) =>
  // Loading uses no threads, and says so.
  runCommand(benchCommand(), [...args, '--quick', ...(args[0] === 'load' ? [] : oneThread)]);
const noPeer = ['--peer-python', '/nonexistent/python'];

async function rowsOf(...args: string[]): Promise<BenchRow[]> {
  const { output, thrown } = await bench(...args, '--json');
  expect(thrown).toBeNull();
  return JSON.parse(output) as BenchRow[];
}

const keys = ['name', 'shape', 'ours', 'peer', 'ratio', 'spread', 'unit', 'conditions', 'peerName'].sort();
function checkShape(rows: BenchRow[]) {
  for (const row of rows) {
    expect(Object.keys(row).sort()).toEqual(keys);
    expect(Number.isFinite(row.ours)).toBe(true);
    expect(row.spread.low).toBeLessThanOrEqual(row.spread.high);
    expect(row.peer === null).toBe(row.ratio === null);
    expect(row.conditions).toMatchObject({ quick: true, seed: 1, node: process.versions.node });
    expect(row.conditions['threads']).toBe(row.shape === 'a fresh process' ? undefined : 1);
  }
}

/** A program that passes for a Python with torch and answers every request with the same line. */
function fakePython(answer: object): string {
  const path = join(scratchDirectory(), 'python');
  const script = `#!${process.execPath}
if (!process.argv.at(-1).endsWith('.py')) console.log('9.9.9');
else require('node:readline').createInterface({ input: process.stdin })
  .on('line', () => console.log(${JSON.stringify(JSON.stringify(answer))}));
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

describe('rdrop bench without a peer', () => {
  it('says why, and measures ours', async () => {
    const rows = await rowsOf('loss', 'step', 'epoch', ...noPeer);
    checkShape(rows);
    expect(rows.map(({ name }) => name)).toEqual([
      'loss and gradient, uni',
      'loss and gradient, uni-reverse',
      'loss and gradient, bi',
      'training step, float32',
      'TypeScript and addon in a step, float32',
      "epoch of IWSLT'14, uni, float32",
      "epoch of IWSLT'14, bi, float32",
      "epoch of IWSLT'14, uni against bi, float32",
    ]);
    for (const { conditions } of rows) {
      expect(conditions['peerMissing']).toMatch(/^\/nonexistent\/python: expected a Python with torch/);
    }
    expect(rows[3]).toMatchObject({ peer: null, ratio: null, peerName: null });
    const { interval } = rows[5]!.conditions as { interval: { low: number; high: number } };
    expect(interval.low).toBeLessThanOrEqual(rows[5]!.ours);
    expect(interval.high).toBeGreaterThanOrEqual(rows[5]!.ours);
  });

  it('prints a table, appends the rows to a file and leaves out what was not asked for', async () => {
    const results = scratchDirectory();
    const { output, thrown } = await bench('step', ...noPeer, '--results', results);
    expect(thrown).toBeNull();
    expect(output).toMatch(/training step, float32 +quick-3x5 +ms/);
    expect(output).toContain('Without a peer: /nonexistent/python');
    expect(existsSync(join(results, 'loss.csv'))).toBe(false);
    expect(readFileSync(join(results, 'step.csv'), 'utf8').trimEnd().split('\n').length).toBe(3);
  });

  it('refuses what it does not know', async () => {
    const code = async (...args: string[]) => ((await bench(...args)).thrown as { code?: string }).code;
    expect(await code('speed')).toBe('INVALID_ARGUMENT');
    expect(await code('step', '--shape', 'huge')).toBe('INVALID_ARGUMENT');
    expect(await code('step', '--peers', 'eager,eager')).toBe('INVALID_ARGUMENT');
    expect(await code('step', 'step')).toBe('INVALID_ARGUMENT');
    expect(await code('step', '--rounds', '0')).toBe('INVALID_ARGUMENT');
    expect(await code('decode', ...noPeer)).toBe('INVALID_ARGUMENT');
  });

  it('refuses what it would ignore', async () => {
    const message = async (...args: string[]) => ((await bench(...args)).thrown as Error | null)?.message;
    expect(await message('loss', '--precision', 'bfloat16')).toBe(
      'bench.precision: expected with one of the suites step, epoch, decode, got loss',
    );
    expect(await message('load', '--threads', '1')).toMatch(/bench\.threads: expected with one of/);
    expect(await message('step', '--shape', 'tiny-32x12')).toMatch(
      /bench\.shape: expected no size with quick/,
    );
  });

  it('asks whether the results find their place before it measures', async () => {
    const results = scratchDirectory();
    writeFileSync(join(results, 'step.csv'), 'a,b\n');
    const { output, thrown } = await bench('loss', 'step', ...noPeer, '--results', results);
    expect(thrown).toMatchObject({ code: 'MALFORMED_FILE' });
    expect(output).toBe('');
    expect(readFileSync(join(results, 'loss.csv'), 'utf8').trimEnd().split('\n').length).toBe(1);
  });

  it('prints what was measured before a suite failed', async () => {
    const fake = fakePython({ gradientError: 0, lossError: 0, seconds: [1], loss: 1, gradientNorm: 1 });
    const { output, thrown } = await bench('loss', 'step', '--peer-python', fake, '--json');
    expect(thrown).toMatchObject({ code: 'BENCHMARK_FAILED' });
    expect((JSON.parse(output) as BenchRow[]).map(({ name }) => name)).toEqual([
      'loss and gradient, uni',
      'loss and gradient, uni-reverse',
      'loss and gradient, bi',
    ]);
  });

  it('looks for the run before it measures', async () => {
    const { output, thrown } = await bench('loss', 'decode', ...noPeer, '--run', '/nonexistent', '--json');
    expect(thrown).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(output).toBe('');
  });
});

describe('a peer that is wrong', () => {
  it('ends the loss without a time', async () => {
    const fake = fakePython({ gradientError: 1e-3, lossError: 0, seconds: [1] });
    const { output, thrown } = await bench('loss', '--peer-python', fake, '--json');
    expect(thrown).toMatchObject({ code: 'BENCHMARK_FAILED' });
    expect(output).toBe('');
  });

  it('ends the step without a time', async () => {
    const fake = fakePython({ loss: 1, gradientNorm: 1, seconds: 1 });
    const { output, thrown } = await bench('step', '--peer-python', fake, '--json');
    expect(thrown).toMatchObject({ code: 'BENCHMARK_FAILED' });
    expect((thrown as Error).message).toMatch(/PyTorch eager, float32, uni: expected our loss/);
    expect(output).toBe('');
  });

  const program = (text: string) => {
    const path = join(scratchDirectory(), 'python');
    writeFileSync(path, `#!/bin/sh\ncase "$*" in *.py) ;; *) echo 9; exit;; esac\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  it('is left out when it cannot begin, and the rows say why', async () => {
    const silent = program('echo "no such module" >&2; exit 3');
    const rows = await rowsOf('loss', 'step', 'epoch', '--peer-python', silent);
    checkShape(rows);
    const alone = rows.filter(({ peer }) => peer === null);
    expect(alone.length).toBe(6);
    for (const { conditions } of alone) {
      expect(conditions['peerMissing']).toMatch(
        /expected an answer, but it ended \(status 3\): no such module$/,
      );
      expect(conditions).not.toHaveProperty('peerVersion');
    }
    // A line that is no answer: it is stopped, so that this test ends.
    const [row] = await rowsOf('loss', '--peer-python', program('echo a banner; cat'));
    expect(row!.conditions['peerMissing']).toMatch(/expected JSON, got "a banner"$/);
  });

  it('is found by a path from the directory that the command is called in', async () => {
    const fake = fakePython({ gradientError: 0, lossError: 0, seconds: [1] });
    const [row] = await rowsOf('loss', '--peer-python', relative(process.cwd(), fake));
    expect(row!.peer).toBe(1);
  });

  it('is reported when it ends', async () => {
    const dying = program('read line; echo "{}"; read line; kill -9 $$');
    const { thrown } = await bench('loss', '--peer-python', dying);
    expect(thrown).toMatchObject({ code: 'BENCHMARK_FAILED' });
    expect((thrown as Error).message).toContain('it ended (SIGKILL)');
  });
});

describe('rdrop bench beside PyTorch', () => {
  it('compares before it measures', async (context) => {
    if (python.path === null) context.skip(python.missing);
    for (const precision of ['float32', 'bfloat16']) {
      const rows = await rowsOf('step', '--precision', precision, '--rounds', '1');
      checkShape(rows);
      for (const row of rows.filter(({ name }) => name.startsWith('training step'))) {
        expect(row.ratio).toBeGreaterThan(0);
        expect(row.conditions['difference']).toBeLessThan(precision === 'float32' ? 1e-4 : 2e-2);
      }
      expect(rows.map(({ peerName }) => peerName)).toEqual([
        `PyTorch eager, ${precision === 'float32' ? precision : 'bfloat16 autocast'}`,
        ...(precision === 'float32' ? [] : ['PyTorch eager, float32']),
        'matrix products alone',
        'the native step',
      ]);
    }
    const rows = await rowsOf('loss', 'epoch');
    checkShape(rows);
    for (const row of rows) expect(row.ratio).toBeGreaterThan(0);
  }, 180_000);
});

describe('rdrop bench decode', () => {
  async function tinyRun(): Promise<string> {
    const directory = scratchDirectory();
    const data = join(directory, 'data');
    await makeReversalData(data);
    // An export needs byte pair encoding; the splits are prepared, so the codes split nothing.
    writeFileSync(join(data, 'codes'), '#version: 0.2\nw 1</w>\n');
    const text = JSON.parse(readFileSync(join(data, 'text.json'), 'utf8')) as object;
    writeFileSync(join(data, 'text.json'), JSON.stringify({ ...text, bpe: 1 }));
    await trainAll(tinyOptions(data, join(directory, 'run')));
    return join(directory, 'run');
  }

  it('translates the test split without a peer', async () => {
    const [row, ...others] = await rowsOf('decode', '--run', await tinyRun(), '--beam', '3', ...noPeer);
    expect(others).toEqual([]);
    checkShape([row!]);
    expect(row).toMatchObject({ name: 'beam search, float32', unit: 'sentences/second', peer: null });
    expect(row!.shape).toBe('4 sentences, beam 3');
  });

  it('does not take other hypotheses for its own', async () => {
    const fake = fakePython({ seconds: 1, hypotheses: [[2], [2], [2], [2]] });
    const run = await tinyRun();
    const { output, thrown } = await bench('decode', '--run', run, '--peer-python', fake, '--json');
    expect(thrown).toMatchObject({ code: 'BENCHMARK_FAILED' });
    expect((thrown as Error).message).toMatch(/got \d of 4$/);
    expect(output).toBe('');
  });

  it("finds transformers' hypotheses the same", async (context) => {
    if (python.path === null) context.skip(python.missing);
    try {
      execFileSync(python.path!, ['-c', 'import transformers'], { stdio: 'ignore' });
    } catch {
      context.skip(`${python.path} has no transformers`);
    }
    const [row] = await rowsOf('decode', '--run', await tinyRun());
    expect(row!.conditions['equalHypotheses']).toBe(1);
    expect(row!.ratio).toBeGreaterThan(0);
  }, 120_000);
});

describe('the start of a process', () => {
  const main = join(packageRoot, 'dist/cli/main.js');
  const help = (...args: string[]) => execFileSync(process.execPath, [main, ...args], { encoding: 'utf8' });

  it('is measured', async () => {
    const rows = await rowsOf('load', '--rounds', '1', ...noPeer);
    checkShape(rows);
    expect(rows.map(({ name }) => name)).toEqual([
      'rdrop --help',
      'import of the library',
      'import of rdrop/text',
      'import of rdrop/evaluation',
      'import of rdrop/statistics',
      'until the native core is loaded',
    ]);
  });

  it('shows every command with its description', () => {
    const text = help('--help').replaceAll(/\s+/g, ' ');
    for (const [name, description] of Object.entries(descriptions)) {
      expect(text).toContain(` ${name}`);
      expect(text).toContain(description);
    }
  });

  it('gives the version', () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
    expect(help('--version')).toBe(`${version}\n`);
    expect(help('-V')).toBe(`${version}\n`);
    expect(help('--help')).toContain('--version');
  });

  it('shows the options of the one that is asked for, either way', () => {
    expect(help('help', 'train')).toBe(help('train', '--help'));
    expect(help('train', '--help')).toContain('--max-minutes');
    expect(help('help', 'prepare')).toContain('iwslt14');
  });

  it('loads no package but zod with the library', () => {
    // A hook of its own thread sees every module that is resolved; what is required stands in the cache.
    const hook = `import { writeSync } from 'node:fs';
      export async function resolve(specifier, context, next) {
        const found = await next(specifier, context);
        writeSync(1, found.url + '\\n');
        return found;
      }`;
    const code = `import module from 'node:module';
      module.register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      await import(${JSON.stringify(join(packageRoot, 'dist/index.js'))});
      for (const path of Object.keys(module.createRequire(${JSON.stringify(main)}).cache ?? {})) console.log(path);`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(printed).toContain('dist/index.js');
    const packages = printed.split('\n').flatMap((line) => /node_modules\/(.+?)\//.exec(line)?.[1] ?? []);
    expect([...new Set(packages)]).toEqual(['zod']);
  });

  it('takes a command behind --', () => {
    expect(() => help('--', 'train')).toThrow("required option '--run <directory>' not specified");
  });
});
