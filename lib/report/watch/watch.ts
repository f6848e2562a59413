/** The live page of a directory of runs: what its files say, while they are written. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { checkCall } from '../../options/schema/call_options.js';
import { describe, parseConfig } from '../../options/schema/parse.js';
import {
  type WatchedQueue,
  type WatchOptions,
  watchedQueueSchema,
  watchSchema,
} from '../../options/watch.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { packageRoot } from '../../util/package_root.js';
import { readCurves } from './curves.js';
import { EventStream } from './event_stream.js';
import { pageText, watchStyle } from './page_text.js';
import { QueueDirectory } from './queue_directory.js';
import { runDetails } from './run_details.js';
import { type Answer, startServer } from './server.js';
import { tokenOf } from './token.js';
import { WatchedDirectory } from './watched_directory.js';

export interface WatchControl {
  /** Closes the page's server. Left out: it runs until close(). */
  signal?: AbortSignal | undefined;
}

/** A page that is served. */
export interface Watch extends AsyncDisposable {
  /** On 127.0.0.1, with the secret that it asks for. */
  readonly url: string;
  /** Ends the server and its connections. May be called again. */
  close(): Promise<void>;
  /** Resolved when it is closed. */
  readonly closed: Promise<void>;
}

const script = (name: string) => join(packageRoot, 'dist/report', name);

/**
 * Serves the live page of the runs and sweeps below a directory, or of a sweep on a queue. Of a directory it reads the files that
 * training writes anyway, only what is new in them, and only while a page is open. A queue is asked once a second, and nothing on it
 * is changed; what it says is kept in a temporary directory until the page is closed.
 *
 * @param source a directory, or where the queue is and the sweep's name on it
 * @throws RdropError INVALID_ARGUMENT, INVALID_CONFIG, FILE_NOT_FOUND, ABORTED; with a queue QUEUE_UNAVAILABLE and PACKAGE_MISSING
 */
export async function watch(
  source: string | WatchedQueue,
  options: WatchOptions & WatchControl = {},
): Promise<Watch> {
  if (source === '' || (typeof source !== 'string' && (typeof source !== 'object' || source === null)))
    throw new RdropError(
      'INVALID_ARGUMENT',
      `watch: expected a directory or a queue, got ${describe(source)}`,
    );
  const { signal, ...given } = options;
  checkCall({ signal }, ['signal'], 'watch');
  const { port, token: asked } = parseConfig(watchSchema, given, 'watch', 'INVALID_ARGUMENT', ['signal']);
  throwIfAborted(signal, 'watch');
  if (typeof source === 'string') {
    const path = await directoryAt(source);
    return serve({ path, title: path }, port, asked ?? (await tokenOf(await realpath(path))), signal);
  }
  const checked = parseConfig(watchedQueueSchema, source, 'watch', 'INVALID_ARGUMENT');
  const queue = await QueueDirectory.open(checked);
  try {
    return await serve(queue, port, asked ?? (await tokenOf(queue.title)), signal);
  } catch (error) {
    await queue.close();
    throw error;
  }
}

async function directoryAt(directory: string): Promise<string> {
  const path = resolve(directory);
  const there = await stat(path).catch((error) => {
    throw fileError(error, path, 'read');
  });
  if (!there.isDirectory())
    throw new RdropError('FILE_NOT_FOUND', `${path}: expected a directory, got a file`);
  return path;
}

/** What a page shows: a directory, under a name of its own where that says more. */
interface Source {
  readonly path: string;
  readonly title: string;
  /** Called by the source where it knows of changes; else the files say so. */
  onChange?: () => void;
  close?(): Promise<void>;
}

async function serve(
  source: Source,
  port: number,
  token: string,
  signal: AbortSignal | undefined,
): Promise<Watch> {
  const { path, title } = source;
  let closing = false;
  const stream = new EventStream();
  const watched = new WatchedDirectory(path, ({ type, ...data }) => stream.send(type, data));
  source.onChange = () => {
    if (stream.readers > 0) void watched.look(true);
  };
  const hello = () => ({
    runs: [...watched.runs.values()].flatMap(({ row }) => row ?? []),
    sweeps: watched.sweeps,
  });

  const answer = async (asked: string, query: URLSearchParams): Promise<Answer | null> => {
    const json = (value: unknown) => ({ type: 'application/json', body: JSON.stringify(value) });
    // A name among those that were found, never a way to a file.
    const run = watched.runs.get(query.get('run') ?? '');
    if (asked === '') return { type: 'text/html', body: pageText(title) };
    if (asked === 'style.css') return { type: 'text/css', body: watchStyle };
    if (asked === 'watch.js' || asked === 'echarts.js')
      return { type: 'text/javascript', body: await readFile(script(asked), 'utf8') };
    if (asked === 'curves' && run !== undefined) {
      const generation = run.row?.generation ?? 0;
      return json({ generation, curves: await readCurves(run.metricsPath) });
    }
    if (asked === 'details' && run !== undefined) {
      const details = await runDetails(run);
      return json(title === path ? details : { ...details, directory: `${title}: ${basename(run.id)}` });
    }
    return null;
  };
  const { server, port: bound } = await startServer({ port, token }, answer, (request, response) => {
    response.once('close', () => {
      stream.remove(response);
      if (stream.readers === 0) watched.stop();
    });
    response.flushHeaders();
    void watched.look(true).then(() => {
      if (response.closed || closing) return;
      const last = request.headers['last-event-id'];
      stream.add(response, typeof last === 'string' ? last : undefined, hello);
      watched.start();
    });
  });

  // What the first page will ask for.
  void watched.look(true);
  let finish = (): void => {};
  const closed = new Promise<void>((done) => {
    finish = done;
  });
  const close = (): Promise<void> => {
    if (closing) return closed;
    closing = true;
    signal?.removeEventListener('abort', abort);
    watched.stop();
    stream.close();
    server.close(() => void (source.close?.() ?? Promise.resolve()).then(finish, finish));
    server.closeAllConnections();
    return closed;
  };
  const abort = (): void => void close();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  const url = `http://127.0.0.1:${bound}/${token}/`;
  return { url, close, closed, [Symbol.asyncDispose]: close };
}
