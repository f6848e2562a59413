import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { scratchDirectory } from '../support/scratch.js';

const script = new URL('../../scripts/lock.mjs', import.meta.url).href;

/** A process that holds the lock of a build for a moment, and writes down when it has and no longer has it. */
function builder(directory: string, milliseconds: number) {
  const code = `const { withLock } = await import(${JSON.stringify(script)});
    const { appendFileSync } = await import('node:fs');
    const write = (text) => appendFileSync(${JSON.stringify(join(directory, 'log'))}, text);
    await withLock(${JSON.stringify(join(directory, 'build.lock'))}, () => {}, async () => {
      write('<');
      await new Promise((resolve) => setTimeout(resolve, ${milliseconds}));
      write('>');
    });`;
  return spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

it('one process builds at a time, and one that is killed is followed', { timeout: 30_000 }, async () => {
  const directory = scratchDirectory();
  const killed = builder(directory, 60_000);
  while (!existsSync(join(directory, 'log'))) await sleep(10);
  const others = [builder(directory, 30), builder(directory, 30), builder(directory, 30)];
  const ended = others.map((other) => once(other, 'exit'));
  killed.kill('SIGKILL');
  for (const [status] of await Promise.all(ended)) expect(status).toBe(0);
  expect(readFileSync(join(directory, 'log'), 'utf8')).toBe('<<><><>');
  expect(existsSync(join(directory, 'build.lock'))).toBe(false);
});
