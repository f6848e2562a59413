// One builder at a time in a build directory.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Whether the process that made the lock is gone. A lock without a pid is being made at this moment. */
function stale(path) {
  try {
    const pid = Number(readFileSync(join(path, 'pid'), 'utf8'));
    return pid > 0 && !alive(pid);
  } catch {
    return false;
  }
}

/** Runs the body while a lock directory exists; waits for whoever holds it, and takes over from one that died. */
export async function withLock(path, say, body) {
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(path);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (stale(path)) rmSync(path, { recursive: true, force: true });
    else {
      if (waited === 0) say('another process is building; waiting for it');
      await sleep(200);
    }
  }
  try {
    writeFileSync(join(path, 'pid'), String(process.pid));
    return await body();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
