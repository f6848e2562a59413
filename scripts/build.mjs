// npm run build: packages, dist/, libtorch, build/Release/. `node scripts/build.mjs native [DIR]` compiles the addon even
// while the TypeScript of another stage has type errors, and puts a copy into DIR (binding.gyp does that).
import { resolve } from 'node:path';
import {
  copyNative,
  ensureLibtorch,
  ensureNative,
  ensurePackages,
  ensureTypescript,
  main,
} from './steps.mjs';

await main(async () => {
  const [part, directory] = process.argv.slice(2);
  ensurePackages();
  ensureTypescript({ strict: part !== 'native' });
  await ensureNative(await ensureLibtorch());
  if (directory) copyNative(resolve(directory), 'build');
});
