// npm run prebuilds [-- --out DIR]: prebuilds/<platform>-<arch>/{rdrop.node, librdrop_core.so} under DIR (the checkout when
// left out), by prebuildify through binding.gyp. It works in a directory of its own, because node-gyp empties build/.
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureAll, main, root, run, StepError } from './steps.mjs';

await main(async () => {
  const { values } = parseArgs({ options: { out: { type: 'string', default: root } } });
  await ensureAll();
  const stage = mkdtempSync(join(tmpdir(), 'rdrop-prebuild-'));
  try {
    for (const name of ['package.json', 'binding.gyp']) cpSync(join(root, name), join(stage, name));
    for (const name of ['scripts', 'node_modules']) symlinkSync(join(root, name), join(stage, name));
    // The headers that came with this Node, so that node-gyp downloads none.
    const prefix = dirname(dirname(process.execPath));
    const headers = existsSync(join(prefix, 'include/node/common.gypi'))
      ? { npm_config_nodedir: prefix }
      : {};
    const status = run(
      process.execPath,
      [
        join(root, 'node_modules/prebuildify/bin.js'),
        ...['--napi', '--strip', '--target', process.versions.node, '--cwd', stage, '--out', stage],
      ],
      { env: { ...process.env, ...headers } },
    );
    if (status !== 0) throw new StepError('prebuildify failed');
    // prebuildify renames, which ends at the border of a file system, as that of /tmp may be.
    cpSync(join(stage, 'prebuilds'), join(resolve(values.out), 'prebuilds'), { recursive: true });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
});
