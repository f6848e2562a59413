// Takes a lock again and again, in competition with others that run this program, and watches that it is alone while it
// holds it: a file that only one process can make. Prints how often it had the lock and how often it was not alone.
//   node contender.mjs '{"path", "count", "seed", "lease"?, "leave"?, "dead"?, "killed"?}'
// leave: the share of acquisitions after which not a free but a stale lock lies there, that of the process number `dead`.
// killed: ends by a SIGKILL of its own after the last acquisition, with the lock held.
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lock } from '../../dist/lock/lock.js';

const { path, count, seed, lease, leave = 0, dead, killed = false } = JSON.parse(process.argv[2]);
const witness = `${path}-witness`;
let state = seed >>> 0;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

let acquired = 0;
let doubles = 0;
let refused = 0;
const report = () => writeSync(1, `${JSON.stringify({ acquired, doubles, refused })}\n`);

while (acquired < count) {
  let lock;
  try {
    lock = await Lock.acquire(path, { what: 'test', ...(lease && { lease }) });
  } catch (error) {
    if (error.code !== 'RUN_LOCKED') throw error;
    refused++;
    await sleep(random() * 5);
    continue;
  }
  acquired++;
  let alone = true;
  try {
    closeSync(openSync(witness, 'wx'));
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    alone = false;
    doubles++;
  }
  if (random() < 0.5) await sleep(random() * 3);
  if (alone) rmSync(witness, { force: true });
  if (killed && acquired === count) {
    report();
    process.kill(process.pid, 'SIGKILL');
  }
  if (random() < leave) {
    const owner = JSON.parse(readFileSync(path, 'utf8'));
    const stale = { ...owner, pid: dead, started: '1', id: 'f'.repeat(16) };
    writeFileSync(`${path}-stale`, JSON.stringify(stale));
    // While it is held: nobody is between the one lock and the other.
    renameSync(`${path}-stale`, path);
  }
  lock.release();
}
report();
