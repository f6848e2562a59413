// The engine's threads: how they wait beside other programs, and what happens where there can be no more of them.
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const program = fileURLToPath(new URL('./train_steps.mjs', import.meta.url));

/** Runs the program with the limits of bash's ulimit; a null status means a signal. */
function runLimited(limits: string, args: string[], variables: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, ...variables };
  const command = `${limits}; exec "$@"`;
  return spawnSync('bash', ['-c', command, 'bash', process.execPath, program, ...args], {
    encoding: 'utf8',
    env,
    timeout: 60_000,
  });
}

interface Answer {
  waiting: string[];
  slept: number;
  loss: number[];
  errors: { code: string; message: string }[];
}

describe('threads that wait', () => {
  const several = availableParallelism() > 1 && process.platform === 'linux';
  const free: NodeJS.ProcessEnv = { ...process.env };
  for (const name of ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT']) delete free[name];

  async function train(
    env: NodeJS.ProcessEnv,
    busy: number,
    precision: string,
    steps?: number,
  ): Promise<Answer> {
    const others = Array.from({ length: busy }, () => spawn(process.execPath, ['-e', 'for (;;);']));
    try {
      const args = [program, 'until-sleeping', precision, ...(steps ? [String(steps)] : [])];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        env,
      });
      expect(status, stderr).toBe(0);
      return JSON.parse(stdout);
    } finally {
      for (const other of others) other.kill('SIGKILL');
    }
  }

  // Small loops are then run by one thread alone, which changes no bit either.
  test.skipIf(!several).each(['float32', 'bfloat16'])(
    'sleep when other programs want the cores, with the same results (%s; skipped on one core: nothing waits there)',
    async (precision) => {
      const crowded = await train(free, availableParallelism(), precision);
      expect(crowded.waiting).toContain('sleeping');
      expect(crowded.slept).toBe(20);
      const left = await train({ ...free, GOMP_SPINCOUNT: '1000' }, 0, precision, crowded.loss.length);
      expect(left.waiting).toEqual(['spinning']);
      expect(crowded.loss).toEqual(left.loss);
    },
  );

  test('wait as the environment says where it does', async () => {
    const passive = { ...free, OMP_WAIT_POLICY: 'passive' };
    const { waiting } = await train(passive, availableParallelism(), 'float32', 20);
    expect(waiting).toEqual(['spinning']);
  });
});

const prlimit = spawnSync('prlimit', ['--version']).status === 0;

describe.skipIf(!prlimit)('more threads than a limit allows: PROCESS_LIMIT (skipped without prlimit)', () => {
  /** 600 stacks of 8 MiB do not fit into what Node has reserved and 3 GiB more. */
  const memory = 'ulimit -s 8192';

  test('address space; work goes on with fewer', () => {
    const { stdout, stderr, status } = runLimited(memory, ['limits', 'as', '600']);
    expect(status, stderr).toBe(0);
    const { errors, loss }: Answer = JSON.parse(stdout);
    expect(errors[0]).toMatchObject({ code: 'PROCESS_LIMIT' });
    expect(errors[0]!.message).toMatch(/^threads: 600 cannot be started here .*ulimit -u/);
    expect(errors).toHaveLength(1);
    expect(loss.every(Number.isFinite)).toBe(true);
  });

  test('not even one (a stack of 4 GiB): the first call says so, and the next', () => {
    const { stdout, stderr, status } = runLimited('ulimit -s 4194304', ['none', 'as']);
    expect(status, stderr).toBe(0);
    const { errors }: Answer = JSON.parse(stdout);
    expect(errors.map(({ code }) => code)).toEqual(['PROCESS_LIMIT', 'PROCESS_LIMIT']);
  });

  // The limit counts the processes of a user, and root has none: another user is needed to see it.
  const root = process.getuid?.() === 0;
  test.skipIf(!root)('processes of a user (skipped where not root: the test becomes another user)', () => {
    const args = ['limits', 'nproc', '600'];
    const { stdout, stderr, status } = runLimited('true', args);
    expect(status, stderr).toBe(0);
    const { errors, loss }: Answer = JSON.parse(stdout);
    expect(errors.map(({ code }) => code)).toEqual(['PROCESS_LIMIT']);
    expect(loss.every(Number.isFinite)).toBe(true);
  });
});
