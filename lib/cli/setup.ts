import type { Command } from 'commander';
import { RdropError } from '../util/errors.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

/** `rdrop setup`: provides libtorch in the cache. Progress goes to standard error, so that --json stays one document. */
export function setupCommand(): Command {
  return namedCommand('setup')
    .option(
      '--from <archive>',
      'a torch wheel or libtorch zip instead of what pip finds: a path or an https URL',
    )
    .option(
      '--sha256 <hex>',
      'the SHA-256 that the archive must have; with it --from takes http URLs as well',
    )
    .option(
      '--cuda',
      'the build with CUDA and all that it needs to run on an NVIDIA GPU (about 2.7 GB to download)',
      false,
    )
    .option('--json', 'print {source, directory, version} as JSON', false)
    .action(async (options: { from?: string; sha256?: string; cuda: boolean; json: boolean }) => {
      const { setup } = await import('../native/libtorch/setup.js');
      const { setupCuda } = await import('../native/libtorch/cuda_setup.js');
      const { setupProgress } = await import('../native/libtorch/progress.js');
      const { from, sha256 } = options;
      if (options.cuda && (from !== undefined || sha256 !== undefined)) {
        const other = from === undefined ? '--sha256' : '--from';
        throw new RdropError(
          'INVALID_ARGUMENT',
          `--cuda: brings 16 wheels and cannot be combined with ${other}, which is about one`,
        );
      }
      const progress = setupProgress();
      const libtorch = await interruptible((signal) => {
        const common = { onProgress: progress.onProgress, signal };
        return (
          options.cuda
            ? setupCuda({ extent: 'run', ...common })
            : setup({
                ...(from !== undefined && { from }),
                ...(sha256 !== undefined && { sha256 }),
                ...common,
              })
        ).finally(progress.stop);
      });
      const line = `libtorch ${libtorch.version} is ready: ${libtorch.directory}`;
      process.stdout.write(`${options.json ? JSON.stringify(libtorch) : line}\n`);
    });
}
