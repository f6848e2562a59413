import { spawn } from 'node:child_process';
import { type Command, Option } from 'commander';
import type { WatchedQueue } from '../options/watch.js';
import type { Watch } from '../report/watch/watch.js';
import { RdropError } from '../util/errors.js';
import { interruptible, statusOfSignal } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  port?: number;
  open: 'yes' | 'no';
  json: boolean;
  queue?: string;
  name?: string;
  queuePasswordFile?: string;
  queueCa?: string;
}

/** What is watched. @throws RdropError INVALID_ARGUMENT for neither a directory nor a queue, and for both */
function sourceOf(directory: string | undefined, flags: Flags): string | WatchedQueue {
  const { queue, name, queuePasswordFile, queueCa } = flags;
  if ((directory === undefined) === (queue === undefined) || (queue === undefined) !== (name === undefined)) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      'watch: expected a directory, or --queue with the --name of a sweep on it',
    );
  }
  if (directory !== undefined) return directory;
  return {
    ...{ queue: queue as string, name: name as string },
    ...(queuePasswordFile !== undefined && { queuePasswordFile }),
    ...(queueCa !== undefined && { queueCa }),
  };
}

/** `rdrop watch`: a page that shows runs and sweeps while they run. */
export function watchCommand(): Command {
  return namedCommand('watch')
    .argument('[directory]', 'a run, a sweep, or a directory of either')
    .option('--queue <url>', 'a sweep on a queue, in place of a directory: redis://host:6379/0')
    .option('--name <name>', 'of the sweep on its queue')
    .option('--queue-password-file <file>', 'holds the password; else RDROP_QUEUE_PASSWORD')
    .option('--queue-ca <file>', 'certificates that the server is checked with, for rediss://')
    .option('--port <n>', 'of 127.0.0.1; 0 takes a free one', toNumber)
    .addOption(new Option('--open <when>', 'open the page in a browser').choices(['yes', 'no']).default('no'))
    .option('--json', 'print {url} as JSON', false)
    .action(async (directory: string | undefined, flags: Flags) => {
      const { port, open, json } = flags;
      const source = sourceOf(directory, flags);
      const { watch } = await import('../report/watch/watch.js');
      await interruptible(async (signal) => {
        const page = await watch(source, { ...(port !== undefined && { port }), signal });
        process.stdout.write(json ? `${JSON.stringify({ url: page.url })}\n` : `${page.url}\n`);
        if (open === 'yes') await openPage(page);
        await page.closed;
      }, 'closing the page');
      process.exitCode = statusOfSignal() ?? 0;
    });
}

/** Opens the page by a file that only this user can read: other users see the arguments of a program, and with them the token. */
async function openPage({ url, closed }: Watch): Promise<void> {
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const place = await mkdtemp(join(tmpdir(), 'rdrop-watch-'));
  void closed.then(() => rm(place, { recursive: true, force: true }));
  const file = join(place, 'page.html');
  await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0; url=${url}">\n`, {
    mode: 0o600,
  });
  const browser = spawn('xdg-open', [file], { stdio: 'ignore', detached: true });
  browser.on('error', () =>
    process.emitWarning(new RdropError('TOOL_MISSING', `xdg-open: no such program; the page is ${url}`)),
  );
  browser.unref();
}
