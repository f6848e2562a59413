import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, connectionOptions, shownUrl } from '../../lib/sweep/queue/connection.js';
import { noRedis, RedisServer } from '../support/redis_server.js';

/** Why not, where redis-server is missing, or was built without TLS, or nothing makes certificates. */
async function certificates(root: string): Promise<string[]> {
  const at = (name: string) => join(root, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  for (const authority of ['ca', 'other']) {
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${authority}`],
      ...['-keyout', at(`${authority}.key`), '-out', at(`${authority}.crt`)],
    );
  }
  openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'],
    ...['-keyout', at('server.key'), '-out', at('server.csr')],
  );
  await writeFile(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(
    ...[
      'x509',
      '-req',
      '-in',
      at('server.csr'),
      '-CA',
      at('ca.crt'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
    ],
    ...['-days', '2', '-extfile', at('names'), '-out', at('server.crt')],
  );
  return [
    '--tls-cert-file',
    at('server.crt'),
    '--tls-key-file',
    at('server.key'),
    '--tls-ca-cert-file',
    at('ca.crt'),
  ];
}

const none = noRedis();
if (none !== null) process.stderr.write(`test/sweep/queue_tls.test.ts is skipped: ${none}\n`);

describe.skipIf(none !== null)('a queue with TLS and a password', () => {
  let root: string;
  let server: RedisServer;
  const at = (name: string) => join(root, name);
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'rdrop-tls-'));
    const options = await certificates(root);
    await writeFile(at('password'), 'swordfish\n');
    server = await RedisServer.start(join(root, 'redis'), (port) => [
      ...[
        '--port',
        '0',
        '--tls-port',
        String(port),
        '--tls-auth-clients',
        'no',
        '--requirepass',
        'swordfish',
      ],
      ...options,
    ]);
  });
  afterAll(async () => {
    await server?.kill();
    await rm(root, { recursive: true, force: true });
  });
  const url = (protocol = 'rediss') => `${protocol}://localhost:${server.port}/0`;

  it('is reached with its certificate and the password of a file', async () => {
    const client = await connect({ queue: url(), queueCa: at('ca.crt'), queuePasswordFile: at('password') });
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });

  it('is refused with another certificate, another password, or without TLS', async () => {
    const refused = async (config: object, text: RegExp) =>
      expect(connect({ queue: url(), queuePasswordFile: at('password'), ...config })).rejects.toMatchObject({
        code: 'QUEUE_UNAVAILABLE',
        message: expect.stringMatching(text),
      });
    await refused({ queueCa: at('other.crt') }, /certificate/i);
    await refused({}, /certificate/i);
    await writeFile(at('wrong'), 'minnow');
    await refused({ queueCa: at('ca.crt'), queuePasswordFile: at('wrong') }, /WRONGPASS/);
    await refused({ queue: url('redis') }, /localhost/);
  });
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
