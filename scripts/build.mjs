// npm run build: packages, dist/, libtorch, build/Release/. `node scripts/build.mjs native` compiles the addon even
// while the TypeScript of another stage has type errors.
import { ensureLibtorch, ensureNative, ensurePackages, ensureTypescript, main } from './steps.mjs';

await main(async () => {
  ensurePackages();
  ensureTypescript({ strict: process.argv[2] !== 'native' });
  await ensureNative(await ensureLibtorch());
});
