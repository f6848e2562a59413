import { readFile } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import type { QueueConfig } from '../../options/queue.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { loadQueuePackages } from './packages.js';

/** Before every key in Redis. */
export const prefix = 'rdrop';
/** The name of the one BullMQ queue, for the trials of all sweeps. */
export const queueName = 'trials';

/** How a URL may be shown: without its password. */
export function shownUrl(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    // A user without a name is how a password alone is often written.
    return parsed.toString();
  } catch {
    return 'what is no URL';
  }
}

/** What ioredis is given. */
export interface ServerOptions {
  host: string;
  port: number;
  db: number;
  username?: string;
  password?: string;
  tls?: { ca?: string };
}

/**
 * @param env with RDROP_QUEUE_PASSWORD, RDROP_QUEUE_PASSWORD_FILE and RDROP_QUEUE_CA
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_UNREADABLE
 */
export async function connectionOptions(
  { queue, queuePasswordFile, queueCa }: QueueConfig,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ServerOptions> {
  const url = URL.canParse(queue) ? new URL(queue) : null;
  const database = /^\/?$/.test(url?.pathname ?? '')
    ? 0
    : Number(/^\/(\d{1,5})$/.exec(url?.pathname ?? '')?.[1]);
  const isQueue =
    url !== null && (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== '';
  if (!isQueue || Number.isNaN(database) || url.search !== '' || url.hash !== '') {
    throw new RdropError(
      'INVALID_CONFIG',
      `queue: expected redis://host:6379/0, or with TLS rediss://host:6379/0, got ${shownUrl(queue)}`,
    );
  }
  const passwordFile = queuePasswordFile ?? env['RDROP_QUEUE_PASSWORD_FILE'];
  const ca = queueCa ?? env['RDROP_QUEUE_CA'];
  const tls = url.protocol === 'rediss:';
  if (queueCa !== undefined && !tls) {
    throw new RdropError('INVALID_CONFIG', 'queueCa: expected a queue with TLS, rediss://…, beside it');
  }
  const fromFile = async () =>
    passwordFile === undefined ? undefined : (await readText(passwordFile)).replace(/\r?\n$/, '');
  const password = env['RDROP_QUEUE_PASSWORD'] ?? (await fromFile()) ?? decodeURIComponent(url.password);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    db: database,
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(password !== '' && { password }),
    ...(tls && { tls: ca === undefined ? {} : { ca: await readText(ca) } }),
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/** Milliseconds within which the server must first have answered. */
const patience = 10_000;

/**
 * Connects to a queue's server. Later breaks are mended by themselves, with commands waiting meanwhile.
 *
 * @param onAway called with the reason when the connection breaks
 * @throws RdropError QUEUE_UNAVAILABLE, PACKAGE_MISSING, INVALID_CONFIG
 */
export async function connect(
  config: QueueConfig,
  onAway: (reason: string) => void = () => {},
): Promise<Redis> {
  const options = await connectionOptions(config);
  const { Redis } = await loadQueuePackages();
  let ready = false;
  let reason = '';
  const client = new Redis({
    ...options,
    lazyConnect: true,
    // BullMQ's workers ask for it: commands wait while the server is away.
    maxRetriesPerRequest: null,
    connectTimeout: patience,
    retryStrategy: (times) => (ready ? Math.min(times * 100, 2000) : null),
  });
  client.on('error', (error: Error) => {
    reason = error.message || String(error);
    if (ready) onAway(reason);
  });
  try {
    await client.connect();
    await client.ping();
    ready = true;
    return client;
  } catch (error) {
    client.disconnect();
    throw new RdropError(
      'QUEUE_UNAVAILABLE',
      `${shownUrl(config.queue)}: expected a Redis server, got ${reason || (error as Error).message}`,
      { cause: error },
    );
  }
}
