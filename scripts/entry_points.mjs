// dist/entry/: what `exports` of package.json names, bundled by esbuild from lib/, in a few files instead of some two hundred: most of
// the time of an import is finding and reading files. The entry points share what they have in common, so that a class is
// one class whichever of them it comes from. Of packages zod alone is inside, the third of it that lib/ uses: it would be 60
// files more. What lib/ imports by import() stays a file of its own.
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const entryPoints = {
  index: 'lib/index.ts',
  text: 'lib/text/index.ts',
  evaluation: 'lib/evaluation/index.ts',
  statistics: 'lib/statistics/index.ts',
};

/** Throws what esbuild throws, which has said why by then. @param root - the checkout */
export function bundleEntryPoints(root) {
  // Chunks have hashes for names: those of an earlier build go.
  rmSync(join(root, 'dist/entry'), { recursive: true, force: true });
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  createRequire(import.meta.url)('esbuild').buildSync({
    absWorkingDir: root,
    entryPoints,
    outdir: 'dist/entry',
    bundle: true,
    splitting: true,
    external: Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => name !== 'zod'),
    banner: { js: '/* May hold parts of zod (MIT): zod.LICENSE.txt, beside this file. */' },
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'utf8',
    logLevel: 'warning',
  });
  copyFileSync(join(root, 'node_modules/zod/LICENSE'), join(root, 'dist/entry/zod.LICENSE.txt'));
}
