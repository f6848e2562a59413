// npm run check: lint, format and types, without compiling or running anything native.
import { checks } from './checks.mjs';
import { ensurePackages, main, say } from './steps.mjs';

await main(async () => {
  ensurePackages();
  for (const check of checks) {
    const passed = check.run() === 0;
    say(`${check.name}: ${passed ? 'passed' : 'FAILED'}`);
    if (!passed) process.exitCode = 1;
  }
});
