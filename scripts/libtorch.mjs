// Prints the directory of the libtorch that a build compiles against, and provides it where it is not there (cmake/checkout.cmake).
import { ensureLibtorch, ensurePackages, ensureTypescript, main } from './steps.mjs';

await main(async () => {
  ensurePackages();
  ensureTypescript({ strict: false });
  process.stdout.write(`${(await ensureLibtorch()).directory}\n`);
});
