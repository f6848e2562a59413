import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { packageRoot } from '../../lib/native/binding.js';

export const faultKinds = ['kill-before', 'torn', 'kill-after', 'ENOSPC', 'EIO', 'EROFS'] as const;
export interface Fault {
  kind: (typeof faultKinds)[number];
  /** The changing call that meets it, counted from 1. */
  at: number;
  /** The error stays. */
  sticky?: boolean;
}

export type Outcome =
  | { killed: true }
  | { ok: true }
  | { code?: string; name: string; message: string; stack: string };

/** Compiles faulty_files.c; null, with the reason, where that cannot be. */
export function compileFaultyFiles(directory: string): { library: string } | { reason: string } {
  if (process.platform !== 'linux') return { reason: 'LD_PRELOAD is known on Linux alone' };
  const library = join(directory, 'faulty_files.so');
  const source = join(packageRoot, 'test', 'faults', 'faulty_files.c');
  for (const compiler of ['cc', 'gcc', 'clang']) {
    try {
      execFileSync(compiler, ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'], { stdio: 'pipe' });
      return { library };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return { reason: 'no C compiler (cc, gcc, clang)' };
}

/** Runs a scenario in a process of its own whose file calls below `directory` are counted, and one of them disturbed. */
export async function runScenario(
  scenario: string,
  place: { directory: string; data: string; library: string; counter: string; log: string },
  fault: Fault | null,
): Promise<{ outcome: Outcome }> {
  const file = openSync(place.counter, 'w');
  ftruncateSync(file, 8);
  closeSync(file);
  rmSync(place.log, { force: true });
  const child = spawn(
    process.execPath,
    [
      join(packageRoot, 'test', 'faults', 'scenario.mjs'),
      scenario,
      place.directory,
      place.data,
      join(packageRoot, 'dist'),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // libuv would otherwise hand file calls to the kernel past the C library.
        UV_USE_IO_URING: '0',
        LD_PRELOAD: place.library,
        FAULT_DIRECTORY: place.directory,
        FAULT_COUNTER: place.counter,
        FAULT_LOG: place.log,
        ...(fault && {
          FAULT_KIND: fault.kind,
          FAULT_AT: String(fault.at),
          FAULT_STICKY: fault.sticky ? '1' : '0',
        }),
      },
    },
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [status, signal] = await once(child, 'close');
  if (signal === 'SIGKILL') return { outcome: { killed: true } };
  if (status !== 0) throw new Error(`${scenario}: status ${status}, signal ${signal}: ${errors}`);
  return { outcome: JSON.parse(output) as Outcome };
}

const clocks = ['seconds', 'tokensPerSecond', 'validationSeconds', 'trainingSeconds', 'elapsedSeconds'];

function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !clocks.includes(key) && key !== 'started');
  return Object.fromEntries(entries.map(([key, inner]) => [key, timeless(inner)]));
}

/** Every file below a directory with a digest of what it says, clocks and the directory's own name left out. */
export async function contentOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(directory, path);
    if (entry.isDirectory()) found[name] = 'directory';
    if (!entry.isFile()) continue;
    const bytes = await readFile(path);
    let content: string | Buffer = bytes;
    const text = () => bytes.toString('utf8').replaceAll(directory, '.');
    if (entry.name === 'state.json') {
      const { sha256: _, ...body } = JSON.parse(text());
      content = JSON.stringify(timeless(body));
    } else if (entry.name.endsWith('.json')) content = JSON.stringify(timeless(JSON.parse(text())));
    else if (entry.name.endsWith('.jsonl')) {
      content = text()
        .split('\n')
        .map((line) => (line === '' ? line : JSON.stringify(timeless(JSON.parse(line)))))
        .join('\n');
    } else if (/^report\./.test(entry.name))
      content = text().replace(/[\d.,]+ ?s\b|[\d.]+ min|[\d,]+ tokens\/s/g, '');
    found[name] = createHash('sha256').update(content).digest('hex').slice(0, 12);
  }
  return Object.fromEntries(Object.entries(found).sort());
}
