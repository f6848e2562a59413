import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../free_port.js';

/** Why a test of queues cannot run here; null where it can. */
export function noRedis(): string | null {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'redis-server is not installed';
  }
}

/** A redis-server of a test: on a port of its own, its files in a directory of the test, every write in its log. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, directory: string, options: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#options = options;
  }

  /** @param options of the command line, for TLS and passwords; without `--port` it is a port without TLS */
  static async start(directory: string, options: readonly string[] | ((port: number) => string[]) = []) {
    const port = await freePort();
    mkdirSync(directory, { recursive: true });
    const given = typeof options === 'function' ? options(port) : ['--port', String(port), ...options];
    const server = new RedisServer(port, directory, given);
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  /** Begins again, with what was there before kill(). */
  begin(): Promise<void> {
    const child = spawn(
      'redis-server',
      [
        ...['--bind', '127.0.0.1', '--dir', this.#directory, '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', 'always', ...this.#options],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#process = child;
    return new Promise((resolve, reject) => {
      let output = '';
      const hear = (text: Buffer): void => {
        output += text;
        if (output.includes('Ready to accept connections')) resolve();
      };
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
      child.on('error', reject);
      child.on('exit', () => reject(new Error(`redis-server ended:\n${output}`)));
    });
  }

  /** As a loss of power ends it. */
  kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  get appendOnly(): string {
    return join(this.#directory, 'appendonlydir');
  }
}
