import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Lock } from '../../lib/lock/lock.js';
import { plainFileSystem } from '../support/files/plain_file_system.js';
import { lingerer } from '../support/lingerer.js';
import { canMakeNamespaces, inOwnNamespace } from '../support/namespaces.js';
import { scratchDirectory } from '../support/scratch.js';

const holderProgram = fileURLToPath(new URL('holder.mjs', import.meta.url));
const what = 'test';
const newPath = () => join(scratchDirectory(), 'run.lock');

/** Takes the lock and gives it back. */
async function take(path: string): Promise<void> {
  (await Lock.acquire(path, { what })).release();
}

interface Holder {
  child: ChildProcess;
  /** Whether it still has the lock: 'still', or the code of an error. */
  ask(): Promise<string>;
}

/** A process that holds the lock. */
async function holder(
  path: string,
  { prefix = [], preload, lease = '' }: { prefix?: string[]; preload?: string | null; lease?: string } = {},
): Promise<Holder> {
  const command = [...prefix, process.execPath, holderProgram, path, lease];
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...(preload && { LD_PRELOAD: preload }) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toMatch(/^held /);
  return {
    child,
    ask: async () => {
      child.stdin?.write('\n');
      return (await lines.next()).value;
    },
  };
}

describe('a lock', () => {
  it('has one holder; the error of another that wants it names the file, the holder, and what to do', async () => {
    const path = newPath();
    const lock = await Lock.acquire(path, { what });
    const refusal = await Lock.acquire(path, { what }).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'RUN_LOCKED' });
    for (const part of [path, String(process.pid), hostname(), '--unlock', 'unlock: true', 'end it']) {
      expect(refusal.message).toContain(part);
    }
    await lock.verify();
    lock.release();
    lock.release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
    await expect(lock.verify()).rejects.toMatchObject({ code: 'RUN_LOST' });
    await take(path);
  });

  it('is taken over with unlock: the loser finds out, and leaves the lock of the other alone', async () => {
    const path = newPath();
    const loser = await Lock.acquire(path, { what });
    const winner = await Lock.acquire(path, { what, unlock: true });
    await expect(loser.verify()).rejects.toMatchObject({
      code: 'RUN_LOST',
      message: expect.stringContaining(path),
    });
    expect(() => loser.check()).toThrow(expect.objectContaining({ code: 'RUN_LOST' }));
    loser.release();
    await winner.verify();
    await expect(take(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    winner.release();
  });

  it('that somebody removes, or replaces by rubbish, is lost', async () => {
    for (const content of [
      null,
      '',
      'rubbish',
      JSON.stringify({ pid: 1, host: 'elsewhere', started: null }),
    ]) {
      const path = newPath();
      const lock = await Lock.acquire(path, { what });
      const { rmSync } = await import('node:fs');
      rmSync(path);
      if (content !== null) writeFileSync(path, content);
      await expect(lock.verify()).rejects.toMatchObject({ code: 'RUN_LOST' });
      lock.release();
      expect(existsSync(path)).toBe(content !== null);
    }
  });

  it('is waited for while its holder ends', async () => {
    const path = newPath();
    const old = await Lock.acquire(path, { what });
    old.end();
    await old.verify();
    let free = false;
    setTimeout(() => {
      free = true;
      old.release();
    }, 100);
    const next = await Lock.acquire(path, { what });
    expect(free).toBe(true);
    next.release();
    // A signal ends the waiting.
    const other = await Lock.acquire(path, { what });
    other.end();
    await expect(Lock.acquire(path, { what, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    other.release();
  });

  it('cannot be where a directory is, or no directory: a coded error, and nothing left', async () => {
    const path = newPath();
    mkdirSync(path);
    await expect(take(path)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
    expect(readdirSync(join(path, '..'))).toEqual(['run.lock']);
    await expect(take(join(path, 'nowhere', 'run.lock'))).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
  });

  it('of a thread that was ended is free', async () => {
    const path = newPath();
    const code = `const { Lock } = await import(process.env.RDROP_LOCK);
      const { parentPort } = await import('node:worker_threads');
      await Lock.acquire(${JSON.stringify(path)}, { what: 'test' });
      parentPort.postMessage('held');
      setInterval(() => {}, 1000);`;
    const module = new URL('../../dist/lock/lock.js', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      env: { ...process.env, RDROP_LOCK: module },
    });
    await once(worker, 'message');
    await expect(take(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await worker.terminate();
    await take(path);
  });
});

describe('a lock file of an rdrop before leases', () => {
  const hour = 3600;
  const write = (path: string, content: string | object, age = 0) => {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    const time = Date.now() / 1000 - age;
    utimesSync(path, time, time);
  };
  const here = { pid: process.pid, host: hostname(), started: '1' };
  const elsewhere = { pid: 17, host: 'instance-that-is-gone', started: '1234' };

  it.each([
    ['of another machine, 3 days old', elsewhere, 72 * hour],
    ['of another machine whose clock runs ahead', elsewhere, -72 * hour],
    ['of another machine, without a start', { ...elsewhere, started: null }, hour],
    ['of a number that another process has now', here, 0],
    ['of a number that no process can have', { ...here, pid: 2 ** 30 }, 0],
    ['with a number that is none', { ...here, pid: -1 }, 0],
    ['with further fields', { ...elsewhere, color: 'red' }, hour],
    ['that is empty', '', 0],
    ['that is cut', '{"pid":17,"host":"inst', 0],
    ['that is rubbish', 'rubbish', 0],
    ['that is a JSON of another kind', '[17]', 0],
  ])('is free: %s', async (_, content, age) => {
    const path = newPath();
    write(path, content, age);
    await take(path);
    expect(existsSync(path)).toBe(false);
  });

  it('of another machine, young, is respected and says when it expires; unlock takes it', async () => {
    const path = newPath();
    write(path, elsewhere, 20);
    const refusal = await take(path).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'RUN_LOCKED' });
    expect(refusal.message).toMatch(/instance-that-is-gone.* 2\d s old.* in [34]\d s.*--unlock/);
    (await Lock.acquire(path, { what, unlock: true })).release();
  });

  it('of a process that lives here is respected, whatever its age', async () => {
    const path = newPath();
    const child = spawn('sleep', ['60']);
    onTestFinished(() => void child.kill());
    write(path, { ...here, pid: child.pid, started: null }, 72 * hour);
    await expect(take(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
  });
});

describe('a holder', () => {
  it('that is killed loses the lock at once, a zombie too', async () => {
    const path = newPath();
    // The shell becomes a program that never asks how its child ended.
    const zombie = ['sh', '-c', 'exec 3<&0; "$@" <&3 & echo $!; exec sleep 60', 'sh'];
    const child = spawn(zombie[0]!, [...zombie.slice(1), process.execPath, holderProgram, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    while (!existsSync(path)) await sleep(10);
    await expect(take(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    const content = readFileSync(path, 'utf8');
    process.kill(pid, 'SIGKILL');
    while (!/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await sleep(10);
    await take(path);
    // The same for one without the kernel's lock, and of a file of before.
    const owner = JSON.parse(content);
    for (const left of [
      { ...owner, kernelLock: false },
      { pid: owner.pid, host: owner.host, started: owner.started },
    ]) {
      writeFileSync(path, JSON.stringify(left));
      await take(path);
    }
  });

  it('that is being killed is waited for until its last thread has ended', async (context) => {
    const program = lingerer(scratchDirectory());
    if (program === null) return context.skip('there is no C compiler');
    for (const kernelLock of [true, false]) {
      const path = newPath();
      const lock = await Lock.acquire(path, { what });
      const owner = JSON.parse(readFileSync(path, 'utf8'));
      lock.release();
      const child = spawn(program, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      writeFileSync(path, JSON.stringify({ ...owner, pid: child.pid, started: null, kernelLock }));
      const threads = () => readdirSync(`/proc/${child.pid}/task`).length;
      expect(threads()).toBe(2);
      await take(path);
      expect(existsSync(`/proc/${child.pid}`) ? threads() : 0).toBeLessThan(2);
    }
  });

  it('renews its lease, also when it was busy for a while', async () => {
    const path = newPath();
    const lock = await Lock.acquire(path, { what, lease: 1200 });
    const age = () => Date.now() - statSync(path).mtimeMs;
    const until = performance.now() + 700;
    while (performance.now() < until);
    const blocked = age();
    await sleep(250);
    expect(blocked).toBeGreaterThan(600);
    expect(age()).toBeLessThan(400);
    await lock.verify();
    lock.release();
  });

  it('that is stopped keeps the lock, in a name space of its own too', async (context) => {
    if (!canMakeNamespaces()) context.skip('name spaces cannot be made here (needs root)');
    for (const prefix of [[], inOwnNamespace]) {
      const path = newPath();
      const other = await holder(path, { prefix, lease: '300' });
      const pid = prefix.length === 0 ? other.child.pid! : childOf(other.child.pid!);
      process.kill(pid, 'SIGSTOP');
      await sleep(500);
      await expect(take(path)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
      process.kill(pid, 'SIGCONT');
      expect(await other.ask()).toBe('still');
      process.kill(pid, 'SIGKILL');
      if (prefix.length > 0) await once(other.child, 'exit');
      else await sleep(50);
      await take(path);
    }
  });

  it('that cannot be seen has the lock while it renews it, loses it when it is stopped for a lease, and finds out', async (context) => {
    if (!canMakeNamespaces()) context.skip('name spaces cannot be made here (needs root)');
    const preload = plainFileSystem(scratchDirectory());
    if (preload === null) return context.skip('there is no C compiler');
    const path = newPath();
    const other = await holder(path, { prefix: inOwnNamespace, preload, lease: '1000' });
    await sleep(1200);
    await expect(take(path)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringMatching(/expires by itself in/),
    });
    expect(await other.ask()).toBe('still');
    const pid = childOf(other.child.pid!);
    process.kill(pid, 'SIGSTOP');
    await sleep(1100);
    const lock = await Lock.acquire(path, { what });
    process.kill(pid, 'SIGCONT');
    expect(await other.ask()).toBe('RUN_LOST');
    await lock.verify();
    lock.release();
  });

  it('is not robbed because a clock was set: one that renews is seen to live', async () => {
    const path = newPath();
    const past = Date.now() / 1000 - 3600;
    const foreign = { pid: 17, host: 'elsewhere', started: '1', boot: 'other', pidNamespace: 'other' };
    writeFileSync(path, JSON.stringify({ ...foreign, id: '0'.repeat(16), kernelLock: false, lease: 2000 }));
    let beats = 0;
    const beat = () => utimesSync(path, past, past + beats++);
    beat();
    const timer = setInterval(beat, 100);
    const outcome = await Promise.race([take(path).then(() => 'taken'), sleep(1000)]);
    expect(outcome).toBeUndefined();
    clearInterval(timer);
    // Nobody renews it any more.
    while (existsSync(path)) await sleep(20);
  });
});

/** The process that unshare started. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}
