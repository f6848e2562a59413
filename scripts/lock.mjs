// One builder at a time in a build directory.
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs the body while the library's own lock is held (lib/lock/lock.ts, compiled); waits for its holder. */
export async function withLock(path, say, body) {
  const { Lock } = await import(new URL('../dist/lock/lock.js', import.meta.url).href);
  let lock;
  for (let waited = 0; lock === undefined; waited++) {
    try {
      lock = await Lock.acquire(path, { what: 'build' });
    } catch (error) {
      if (error.code !== 'RUN_LOCKED') throw error;
      if (waited === 0) say('another process is building; waiting for it');
      await sleep(200);
    }
  }
  try {
    return await body();
  } finally {
    lock.release();
  }
}
