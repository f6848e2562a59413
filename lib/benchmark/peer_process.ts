/** The Python processes beside which we are measured (benchmarks/peers/): found, started, asked line by line. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { isAbsolute, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { packageRoot } from '../native/binding.js';
import { RdropError } from '../util/errors.js';
import { childEnvironment, onPath } from '../util/programs.js';
import { pythonCode, pythonFile } from '../util/python.js';

export type PeerPython =
  | { path: string; version: string; missing?: undefined }
  | { path: null; version?: undefined; missing: string };

/** A Python that has torch: the one asked for, else RDROP_PYTHON, else python3. Or a sentence that says why there is none. */
export async function findPeerPython(asked: string | undefined): Promise<PeerPython> {
  const fromEnvironment = process.env['RDROP_PYTHON'];
  const named = asked ?? (fromEnvironment || 'python3');
  // A path that is asked for is one from here; a variable would mean another program wherever one is.
  const path = named.includes('/') ? resolve(named) : onPath(named);
  if (asked === undefined && named.includes('/') && !isAbsolute(named))
    return { path: null, missing: `RDROP_PYTHON: expected an absolute path or a name, got ${named}` };
  if (path === null)
    return { path, missing: `${named}: expected a Python with torch (there is no such program)` };
  try {
    const { stdout } = await promisify(execFile)(
      path,
      pythonCode('import torch; print(torch.__version__)'),
      // torch starts programs of its own, some as modules.
      { cwd: packageRoot, env: childEnvironment() },
    );
    return { path, version: stdout.trim() };
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const reason =
      code === 'ENOENT'
        ? 'there is no such program'
        : stderr?.trim().split('\n').at(-1) || (error as Error).message.trim();
    return { path: null, missing: `${path}: expected a Python with torch (${reason})` };
  }
}

/**
 * What keeps glibc from giving memory back and taking it anew in each step. Without it page faults take much of the peer's
 * time, and we would be measured against those.
 */
const tunedAllocator = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  MALLOC_TOP_PAD_: String(2 ** 28),
  MALLOC_ARENA_MAX: '1',
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** One peer: settings on its first line of standard input, then one request and one answer a line, all JSON. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #script: string;
  /** How it ended. */
  readonly #closed: Promise<string>;
  #errors = '';
  #stopped = false;
  /** What the first answer says of it, where it says something. */
  version: string | undefined;

  private constructor(python: string, script: string) {
    this.#script = script;
    this.#child = spawn(python, pythonFile(join(packageRoot, 'benchmarks', 'peers', script)), {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: packageRoot,
      // Nothing is written beside the scripts.
      env: { ...childEnvironment(), ...tunedAllocator, PYTHONDONTWRITEBYTECODE: '1' },
      // A group of its own, with the compilers that torch.compile starts: one signal ends them all.
      detached: true,
    });
    process.once('exit', this.#kill);
    this.#closed = new Promise((settle) => {
      this.#child
        .once('close', (status, signal) => settle(signal ?? `status ${status}`))
        .once('error', ({ message }) => settle(message));
    });
    // A peer that has ended is reported when its answer is missed.
    this.#child.stdin!.on('error', () => {});
    this.#child.stderr!.on('data', (chunk) => {
      this.#errors = `${this.#errors}${chunk}`.slice(-4000);
    });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** @throws RdropError BENCHMARK_FAILED when it does not answer its settings in JSON; it has then ended */
  static async start(python: string, script: string, settings: object): Promise<Peer> {
    const peer = new Peer(python, script);
    try {
      peer.version = (await peer.ask<{ version?: string }>(settings)).version;
      return peer;
    } catch (error) {
      peer.stop();
      throw error;
    }
  }

  /** As start(); where the peer cannot begin (a package that it needs is missing, say), the reason instead. */
  static async startOrReason(python: string, script: string, settings: object): Promise<Peer | string> {
    try {
      return await Peer.start(python, script, settings);
    } catch (error) {
      if (error instanceof RdropError && error.code === 'BENCHMARK_FAILED') return error.message;
      throw error;
    }
  }

  /** @throws RdropError BENCHMARK_FAILED when the peer ends, or does not answer in JSON */
  async ask<T = Record<string, unknown>>(request: unknown): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done || value === undefined) {
      // What it said on standard error may come after its end.
      const end = await this.#closed;
      throw new RdropError(
        'BENCHMARK_FAILED',
        `benchmarks/peers/${this.#script}: expected an answer, but it ended (${end}): ${this.#errors.trim()}`,
      );
    }
    try {
      return JSON.parse(value) as T;
    } catch (error) {
      throw new RdropError(
        'BENCHMARK_FAILED',
        `benchmarks/peers/${this.#script}: expected JSON, got ${JSON.stringify(value.slice(0, 200))}`,
        { cause: error },
      );
    }
  }

  /** May be called again. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    process.off('exit', this.#kill);
    this.#child.stdin!.end();
    this.#kill();
  }

  readonly #kill = (): void => {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid);
    } catch {
      // It has ended.
    }
  };
}
