// npm run demo: all the set-up, then `rdrop demo` with the arguments given.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureAll, main, root } from './steps.mjs';

await main(async () => {
  await ensureAll();
  const child = spawnSync(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'demo', ...process.argv.slice(2)],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = child.status ?? 1;
});
