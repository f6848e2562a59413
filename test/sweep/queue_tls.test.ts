import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, connectionOptions, shownUrl } from '../../lib/sweep/queue/connection.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { startWorker } from '../../lib/sweep/worker/worker.js';
import { packageRoot } from '../../lib/util/package_root.js';
import { noRedis } from '../support/sweeps/redis_server.js';
import { password, type SecureServer, startSecureServer } from '../support/sweeps/redis_tls.js';
import { all, names, prepareTinyDemo, tinyTraining } from '../support/sweeps/sweeps.js';

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/queue_tls.test.ts is skipped: ${none}\n`);

describe.skipIf(none !== null)('a queue with TLS and a password', () => {
  let root: string;
  let secure: SecureServer;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rdrop-tls-'));
    secure = await startSecureServer(join(root, 'server'));
  });
  afterAll(async () => {
    await secure?.server.kill();
    await rm(root, { recursive: true, force: true });
  });

  it('is reached with its certificate and the password of a file', async () => {
    const client = await connect({ queue: secure.url, ...secure.credentials });
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });

  it('is refused with another certificate, another password, or without TLS', async () => {
    const refused = async (config: object, text: RegExp) =>
      expect(connect({ queue: secure.url, ...secure.credentials, ...config })).rejects.toMatchObject({
        code: 'QUEUE_UNAVAILABLE',
        message: expect.stringMatching(text),
      });
    await refused({ queueCa: secure.at('other.crt') }, /certificate/i);
    await refused({ queueCa: undefined }, /certificate/i);
    await writeFile(secure.at('wrong'), 'minnow');
    await refused({ queuePasswordFile: secure.at('wrong') }, /WRONGPASS/);
    await refused({ queue: secure.url.replace('rediss', 'redis'), queueCa: undefined }, /localhost/);
  });

  it('carries a sweep whose worker uploads the best checkpoints; no file of it says the password', async () => {
    const at = (...path: string[]) => join(root, ...path);
    const data = at('prepared', 'demo');
    await prepareTinyDemo(at('text'), data);
    const training = tinyTraining(data, 20, {
      ...{ logInterval: 5, validation: { interval: 10, metric: 'loss' } },
    });
    const trials = { seeds: [1], directions: ['baseline' as const, 'bi' as const] };
    const everything = ['baseline-1', 'bi-1'];
    const local = await all(sweep(training, { directory: at('local'), ...trials }));
    expect(names(local, 'finish')).toEqual(everything);
    await using _worker = await startWorker({
      ...{ queue: secure.url, ...secure.credentials, slots: 'cpu:1x1' },
      ...{ runs: at('work', 'runs'), dataRoot: at('prepared'), upload: 'best', uploadDirectory: at('up') },
      trialEntry: join(packageRoot, 'dist/sweep/trial.js'),
    });
    const queued = { queue: secure.url, ...secure.credentials, name: 'mine' };
    const events = await all(sweep(training, { directory: at('out'), ...trials, ...queued }));
    expect(events.at(-1)).toMatchObject({ type: 'end', finished: 2, failed: 0 });
    for (const trial of everything) {
      expect(readdirSync(at('up', 'mine', trial, 'checkpoints'))).toEqual(['best']);
      const model = ['checkpoints', 'best', 'model.safetensors'];
      const uploaded = readFileSync(at('up', 'mine', trial, ...model));
      expect(uploaded.equals(readFileSync(at('local', trial, ...model))), trial).toBe(true);
      expect(existsSync(at('out', trial, 'checkpoints'))).toBe(false);
      expect(await readFile(at('out', trial, 'hypotheses', 'test.en'), 'utf8')).toBe(
        await readFile(at('local', trial, 'hypotheses', 'test.en'), 'utf8'),
      );
    }
    for (const place of ['out', 'up', 'work'])
      for (const entry of readdirSync(at(place), { recursive: true, withFileTypes: true }))
        if (entry.isFile())
          expect(readFileSync(join(entry.parentPath, entry.name)).includes(password), entry.name).toBe(false);
  }, 60_000);
});

describe('the credentials of a queue', () => {
  it('come from the environment, then a file, then the URL', async () => {
    const root = await mkdtemp(join(tmpdir(), 'rdrop-password-'));
    const file = join(root, 'password');
    await writeFile(file, 'of the file\n');
    const queue = 'redis://me:of%20the%20URL@host:1/2';
    expect(await connectionOptions({ queue }, {})).toEqual({
      ...{ host: 'host', port: 1, db: 2, username: 'me', password: 'of the URL' },
    });
    const withFile = { RDROP_QUEUE_PASSWORD_FILE: file };
    expect((await connectionOptions({ queue }, withFile)).password).toBe('of the file');
    const both = { ...withFile, RDROP_QUEUE_PASSWORD: 'of the environment' };
    expect((await connectionOptions({ queue }, both)).password).toBe('of the environment');
    expect(shownUrl(queue)).toBe('redis://me:***@host:1/2');
    await rm(root, { recursive: true });
  });
});
