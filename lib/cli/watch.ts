import { spawn } from 'node:child_process';
import { type Command, Option } from 'commander';
import type { Watch } from '../report/watch/watch.js';
import { interruptible, statusOfSignal } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  port?: number;
  open: 'yes' | 'no';
  json: boolean;
}

/** `rdrop watch`: a page that shows runs and sweeps while they run. */
export function watchCommand(): Command {
  return namedCommand('watch')
    .argument('<directory>', 'a run, a sweep, or a directory of either')
    .option('--port <n>', 'of 127.0.0.1; 0 takes a free one', toNumber)
    .addOption(new Option('--open <when>', 'open the page in a browser').choices(['yes', 'no']).default('no'))
    .option('--json', 'print {url} as JSON', false)
    .action(async (directory: string, { port, open, json }: Flags) => {
      const { watch } = await import('../report/watch/watch.js');
      await interruptible(async (signal) => {
        const page = await watch(directory, { ...(port !== undefined && { port }), signal });
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
  const { RdropError } = await import('../util/errors.js');
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
