// scripts/gpu-check.sh without a GPU: a stand-in for nvidia-smi, and stages that pass, hang, crash or lack something.
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

interface Stage {
  stage: string;
  result: string;
  seconds: number;
  message: string;
  quick: boolean;
  cases: { passed: number; failed: string[] };
  rows: Record<string, unknown>[];
}

const script = join(packageRoot, 'scripts/gpu-check.sh');
const chip = 'NVIDIA Test 9000, 9.0, 600.1';

const stages = {
  passes: 'echo "ok one"; echo "ok two"; echo \'{"row":"loss","median":0.5}\'',
  fails: 'echo "ok one"; echo "FAILED two: 1 instead of 2"; echo "the last words"; exit 1',
  hangs: 'echo "ok one"; echo \'{"row":"loss","median":0.25}\'; sleep 600',
  crashes: 'echo "before"; kill -SEGV $$',
  lacks: 'echo "there is no compiler"; exit 3',
};

/** A place with a nvidia-smi that says this (null: there is none) and the stages above. */
function setUp(smi: string | null = `echo '${chip}'`) {
  const directory = scratchDirectory();
  const bin = join(directory, 'bin');
  const own = join(directory, 'stages');
  for (const path of [bin, own]) mkdirSync(path);
  if (smi !== null) {
    writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n${smi}\n`);
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
  }
  for (const [name, text] of Object.entries(stages)) writeFileSync(join(own, `${name}.sh`), `${text}\n`);
  // Where there is to be no driver, the programs that the script calls before it looks for one.
  if (smi === null) {
    for (const tool of ['dirname', 'python3']) {
      symlinkSync(
        spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim(),
        join(bin, tool),
      );
    }
  }
  const env = {
    ...process.env,
    PATH: smi === null ? bin : `${bin}:${process.env['PATH']}`,
    RDROP_GPU_STAGES: own,
    RDROP_GPU_STAGE_SECONDS: '5',
  };
  return { env, out: join(directory, 'out') };
}

const read = (out: string): Stage[] =>
  (JSON.parse(readFileSync(join(out, 'nvidia_test_9000_check.json'), 'utf8')) as { stages: Stage[] }).stages;
const markdown = (out: string) => readFileSync(join(out, 'nvidia_test_9000_check.md'), 'utf8');

function check({ env, out }: ReturnType<typeof setUp>, wanted: string, ...more: string[]) {
  return spawnSync('/bin/bash', [script, '--out', out, '--stages', wanted, ...more], {
    env,
    encoding: 'utf8',
  });
}

describe('scripts/gpu-check.sh', () => {
  it('runs the stages that follow one that fails, crashes, hangs or lacks something', () => {
    const place = setUp();
    const { status } = check(place, 'fails,crashes,hangs,lacks,passes');
    expect(status).toBe(1);
    const found = Object.fromEntries(read(place.out).map((stage) => [stage.stage, stage]));
    expect(Object.values(found).map(({ stage, result }) => [stage, result])).toEqual([
      ['fails', 'failed'],
      ['crashes', 'failed'],
      ['hangs', 'failed'],
      ['lacks', 'skipped'],
      ['passes', 'passed'],
    ]);
    expect(found['fails']).toMatchObject({ cases: { passed: 1, failed: ['two: 1 instead of 2'] } });
    expect(found['fails']!.message).toMatch(/exit status 1: .*the last words/s);
    expect(found['crashes']!.message).toContain('exit status 139');
    expect(found['hangs']).toMatchObject({
      message: 'ended after its limit of 5 s',
      cases: { passed: 1, failed: [] },
      rows: [{ row: 'loss', median: 0.25 }],
    });
    expect(found['lacks']!.message).toBe('there is no compiler');
    expect(readdirSync(place.out).sort()).toEqual([
      'nvidia_test_9000_check.json',
      'nvidia_test_9000_check.md',
      ...['crashes', 'fails', 'hangs', 'lacks', 'passes'].map((stage) => `nvidia_test_9000_${stage}.log`),
    ]);
    expect(readFileSync(join(place.out, 'nvidia_test_9000_fails.log'), 'utf8')).toContain('the last words');
    const text = markdown(place.out);
    expect(text).toContain('Compute capability 9.0, driver 600.1.');
    expect(text).toContain('- failed: two: 1 instead of 2');
    expect(text).toContain('### loss\n\n| median |\n| --- |\n| 0.5 |');
  }, 60_000);

  it('keeps the stages of earlier runs, and tells a trial', () => {
    const place = setUp();
    expect(check(place, 'passes').status).toBe(0);
    expect(check(place, 'lacks', '--quick').status).toBe(0);
    expect(read(place.out).map(({ stage, result, quick }) => [stage, result, quick])).toEqual([
      ['passes', 'passed', false],
      ['lacks', 'skipped', true],
    ]);
    expect(markdown(place.out)).toContain('no figure of it says how fast anything is');
  });

  it('stays within its limit in all', () => {
    const place = setUp();
    const begun = Date.now();
    expect(check(place, 'hangs,passes', '--limit', '11').status).toBe(1);
    expect(Date.now() - begun).toBeLessThan(11_000);
    expect(read(place.out).map(({ result, message }) => [result, message])).toEqual([
      ['failed', 'ended after its limit of 5 s'],
      ['left out', 'no time was left'],
    ]);
  }, 30_000);

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'has written what was known when it is ended by %s',
    async (signal) => {
      const place = setUp();
      const child = spawn('bash', [script, '--out', place.out, '--stages', 'passes,hangs'], {
        env: { ...place.env, RDROP_GPU_STAGE_SECONDS: '20' },
        detached: true,
        stdio: 'ignore',
      });
      const log = join(place.out, 'nvidia_test_9000_hangs.log');
      await expect
        .poll(() => existsSync(log) && readFileSync(log, 'utf8').includes('row'), { timeout: 20_000 })
        .toBe(true);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (signal === 'SIGTERM') child.kill(signal);
      else process.kill(-child.pid!, signal);
      await ended;
      const [first, second] = read(place.out);
      expect(first).toMatchObject({ stage: 'passes', result: 'passed', rows: [{ median: 0.5 }] });
      if (signal === 'SIGKILL') expect(second).toMatchObject({ stage: 'hangs', result: 'running' });
      else expect(second).toMatchObject({ result: 'stopped', rows: [{ row: 'loss', median: 0.25 }] });
      expect(readFileSync(log, 'utf8')).toContain('ok one');
    },
    30_000,
  );

  it.each([
    ['there is no driver', null, 'nvidia-smi, which comes with the driver, is not installed'],
    [
      'the driver finds no device',
      'echo "No devices were found"; exit 6',
      "nvidia-smi says 'No devices were found'",
    ],
    [
      'the chip is too old',
      "echo 'Tesla V100, 7.0, 600.1'",
      'has compute capability 7.0; 8.0 or higher is needed',
    ],
  ])('says so and writes nothing where %s', (_, smi, message) => {
    const place = setUp(smi);
    const { status, stderr } = check(place, 'passes');
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(existsSync(place.out)).toBe(false);
  });

  it('refuses a stage or an argument that it does not know', () => {
    const place = setUp();
    expect(check(place, 'passes,more').stderr).toContain("there is no stage 'more'");
    expect(check(place, 'passes', '--fast').stderr).toContain("unknown argument '--fast'");
    expect(check(place, 'passes', '--gpu', 'x').stderr).toContain(
      "--gpu: a number of nvidia-smi is expected, got 'x'",
    );
    expect(existsSync(place.out)).toBe(false);
  });
});

describe('the stage of training steps', () => {
  it('starts again after a section that ends the program or the device', () => {
    const directory = scratchDirectory();
    const at = (...parts: string[]) => join(directory, ...parts);
    for (const path of ['bin', 'build', 'bundle', 'torch/lib']) mkdirSync(at(path), { recursive: true });
    writeFileSync(at('torch/lib/libtorch_cuda.so'), '');
    writeFileSync(at('torch/version.py'), "__version__ = '2.11.0+cu130'\n");
    // In place of what cmake would compile: a program that ends within its second and its fourth section.
    const program = `#!/bin/bash
for section in "$@"; do case $section in
  same-bits) kill -SEGV $$ ;;
  epoch) echo '{"row":"section","section":"epoch","passed":false}'; exit 3 ;;
  gradients | recording | translations | translation | profile)
    echo "{\\"row\\":\\"section\\",\\"section\\":\\"$section\\",\\"passed\\":true}" ;;
esac; done
`;
    for (const [path, text] of [
      ['build/step_driver', program],
      ['bin/cmake', '#!/bin/sh\n'],
    ] as const) {
      writeFileSync(at(path), text);
      chmodSync(at(path), 0o755);
    }
    spawnSync('tar', ['-cJf', at('bundle/kernels.tar.xz'), '-C', directory, 'torch']);
    const { stdout, status } = spawnSync('bash', [join(packageRoot, 'scripts/gpu_stages/step.sh')], {
      cwd: packageRoot,
      encoding: 'utf8',
      env: {
        ...process.env,
        ...{ GPU_SECONDS: '14', GPU_QUICK: '', GPU_CAPABILITY: '9.0', GPU_BUNDLE: at('bundle') },
        ...{ GPU_UNPACKED: at('unpacked'), GPU_BUILD: at('build'), RDROP_LIBTORCH: at('torch') },
        PATH: `${at('bin')}:${process.env['PATH']}`,
      },
    });
    expect(status).toBe(1);
    const rows = stdout
      .split('\n')
      .filter((line) => line.startsWith('{"row":"section"'))
      .map((line) => JSON.parse(line) as { section: string; passed: boolean; message?: string });
    expect(rows.map(({ section, passed }) => [section, passed])).toEqual([
      ['gradients', true],
      ['same-bits', false],
      ['recording', true],
      ['epoch', false],
      ['translations', true],
      ['translation', true],
      ['profile', true],
    ]);
    expect(rows[1]!.message).toBe('the program ended with status 139');
  }, 30_000);

  it('a device that compute-sanitizer does not support is no failure of a kernel', () => {
    const { env } = setUp();
    const tool = join(env.PATH.split(':')[0]!, 'compute-sanitizer');
    const verdict = (text: string) => {
      writeFileSync(tool, `#!/bin/sh\n${text}\nexit 9\n`);
      chmodSync(tool, 0o755);
      const command = '. scripts/gpu_stages/common.sh; sanitize memcheck 5 true';
      const { status, stdout } = spawnSync('bash', ['-c', command], {
        env,
        cwd: packageRoot,
        encoding: 'utf8',
      });
      return [status, (JSON.parse(stdout.trim().split('\n').at(-1)!) as { passed: unknown }).passed];
    };
    expect(verdict('echo "========= Error: Device not supported"')).toEqual([0, null]);
    expect(verdict('echo "========= ERROR SUMMARY: 1 error"')).toEqual([1, false]);
  });
});
