// Prints the directories of the packages that vitest, the tests of test/device and the benchmarks need, one a line, found
// by following what each package depends on. For gpu-pack.sh.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
/** Not needed there: a queue of sweeps, what the report and style sheets are bundled with, types. */
const left = new Set(['bullmq', 'ioredis', 'echarts', 'esbuild', 'lightningcss', '@types/node']);

const found = new Set();
function visit(name, from) {
  // As Node looks: beside the package that asks, then further up.
  const place = [join(from, 'node_modules', name), join('node_modules', name)].find((path) =>
    existsSync(join(path, 'package.json')),
  );
  if (place === undefined || found.has(place) || left.has(name)) return;
  found.add(place);
  const packed = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  for (const needed of [
    ...Object.keys(packed.dependencies ?? {}),
    ...Object.keys(packed.optionalDependencies ?? {}),
    ...Object.keys(packed.peerDependencies ?? {}),
  ])
    visit(needed, place);
}
for (const name of ['vitest', ...Object.keys(dependencies)]) visit(name, '.');
process.stdout.write(`${[...found].sort().join('\n')}\n`);
