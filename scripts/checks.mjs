// The checks that need no run of the code: Biome, clang-format, the type checker.
import { join } from 'node:path';
import { checkImportOrder } from './import_order.mjs';
import { checkProse } from './prose.mjs';
import { filesUnder, root, run } from './steps.mjs';

const node = (script, ...args) => run(process.execPath, [join(root, 'node_modules', script), ...args]);

export const nativeFiles = () => filesUnder(['native'], (path) => /\.(cc|h|inc|cu|cuh)$/.test(path));

export const checks = [
  { name: 'lint and format of TypeScript (biome)', run: () => node('@biomejs/biome/bin/biome', 'check') },
  {
    name: 'format of C++ (clang-format)',
    run: () => node('clang-format/index.js', '--dry-run', '--Werror', ...nativeFiles()),
  },
  { name: 'imports of lib/ point one way', run: checkImportOrder },
  { name: 'words of the documentation', run: () => checkProse() },
  {
    name: 'types (tsc)',
    run: () =>
      node(
        'typescript/bin/tsc',
        ...[
          '-p',
          'tsconfig.json',
          '--incremental',
          '--tsBuildInfoFile',
          'node_modules/.cache/tsc/check.tsbuildinfo',
        ],
      ),
  },
  {
    name: "types of the report's page (tsc)",
    run: () => node('typescript/bin/tsc', '-p', 'lib/report/page'),
  },
];
