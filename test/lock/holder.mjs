// Takes a lock and says `held` with its number of process; on each line of standard input says `still` or the code of what
// verify() threw.   node holder.mjs PATH [LEASE]
import { createInterface } from 'node:readline';
import { Lock } from '../../dist/lock/lock.js';

const [, , path, lease] = process.argv;
const lock = await Lock.acquire(path, { what: 'test', ...(lease && { lease: Number(lease) }) });
process.stdout.write(`held ${process.pid}\n`);
for await (const _ of createInterface({ input: process.stdin })) {
  await lock.verify().then(
    () => process.stdout.write('still\n'),
    (error) => process.stdout.write(`${error.code}\n`),
  );
}
lock.release();
