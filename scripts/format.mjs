// npm run format: mends what Biome and clang-format can mend.
import { join } from 'node:path';
import { nativeFiles } from './checks.mjs';
import { ensurePackages, main, root, run } from './steps.mjs';

await main(async () => {
  ensurePackages();
  const statuses = [
    run(process.execPath, [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check', '--write']),
    run(process.execPath, [join(root, 'node_modules/clang-format/index.js'), '-i', ...nativeFiles()]),
  ];
  if (statuses.some((status) => status !== 0)) process.exitCode = 1;
});
