// Feeds mutated samples to parsers, in a process with a bounded heap:
//   node --max-old-space-size=512 test/fuzz/run.mjs TARGET… --inputs N --seed S --dir EMPTY_DIRECTORY [--input FILE]
// What must hold of each input: a value or an RdropError whose code is not INTERNAL, within the budgets of time and memory,
// with no prototype changed and nothing written but the input itself. Ends with status 1 at the first input for which it does
// not; the input is then DIR/input, and the reason is on standard error.
// Where the process is ended from outside, the input lies there as well.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RdropError } from '../../dist/util/errors.js';
import { mutateBytes, Random, randomBytes } from './mutate.mjs';
import { targets } from './targets.mjs';

/** Seconds of processor time, and bytes beyond what the process took before, that one input may cost. */
const budget = { seconds: 2, bytes: 256 * 2 ** 20 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    dir: { type: 'string' },
    input: { type: 'string' },
  },
});

const ownKeys = () =>
  [Object.prototype, Array.prototype, Function.prototype, String.prototype]
    .map((proto) => Reflect.ownKeys(proto).length)
    .join();
const prototypes = ownKeys();
const kept = join(values.dir, 'input');

/** One input after another, made of the target's samples. */
function inputsOf({ seeds, tokens = [], mutators = [] }, random) {
  const samples = seeds();
  const generic = (seed) => mutateBytes(seed, random, { tokens, others: samples });
  return () => {
    const kind = random.next();
    const seed = random.pick(samples);
    if (kind < 0.05) return randomBytes(random, tokens);
    if (mutators.length > 0 && kind < 0.6) {
      const made = random.pick(mutators)(seed, random, generic);
      if (made !== null) return made;
    }
    return generic(seed);
  };
}

/** What a target made of an input: 'value', the code of its error, or in `wrong` what must not be. */
async function outcomeOf(target, input, world) {
  const memory = process.resourceUsage().maxRSS * 1024;
  const before = process.cpuUsage();
  let outcome = 'value';
  try {
    await target.run(input, world);
  } catch (error) {
    if (!(error instanceof RdropError)) return { wrong: `threw ${error?.stack ?? error}` };
    if (error.code === 'INTERNAL') return { wrong: `threw INTERNAL: ${error.stack}` };
    if (error.message.length > 10_000)
      return { wrong: `an error message of ${error.message.length} characters` };
    outcome = error.code;
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  if (seconds > budget.seconds) return { wrong: `took ${seconds.toFixed(1)} s of processor time` };
  const grown = process.resourceUsage().maxRSS * 1024 - memory;
  if (grown > budget.bytes) return { wrong: `took ${Math.round(grown / 2 ** 20)} MiB` };
  if (ownKeys() !== prototypes) return { wrong: 'changed a prototype' };
  for (const key in {}) return { wrong: `every object has ${key} now` };
  return { outcome };
}

async function fuzz(name) {
  const target = targets[name];
  if (target === undefined)
    throw new Error(`no target ${name}: expected one of ${Object.keys(targets).join(', ')}`);
  const directory = join(values.dir, name);
  mkdirSync(directory);
  const world = join(directory, 'world');
  target.prepare?.(world);
  const listing = () => readdirSync(directory, { recursive: true }).sort().join('\n');
  // Compiling is no input's fault.
  for (const seed of target.seeds()) await target.run(seed, world).catch(() => {});
  const files = listing();
  const counts = {};
  const nextInput = inputsOf(target, new Random(Number(values.seed)));
  const total = values.input === undefined ? Number(values.inputs) : 1;
  for (let i = 0; i < total; i++) {
    const input = values.input === undefined ? nextInput() : readFileSync(values.input);
    writeFileSync(kept, input);
    const { outcome, wrong = listing() === files ? undefined : `wrote files: ${listing()}` } =
      await outcomeOf(target, input, world);
    if (wrong !== undefined) {
      process.stderr.write(`${name}, seed ${values.seed}, input ${i} (${input.length} bytes): ${wrong}\n`);
      process.exit(1);
    }
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  process.stdout.write(
    `${JSON.stringify({ target: name, seed: Number(values.seed), inputs: total, counts })}\n`,
  );
}

for (const name of positionals) {
  // Told in case that the process is ended from outside.
  process.stderr.write(`${name}\n`);
  await fuzz(name);
}
// What a parser left open must not keep the process.
process.exit(0);
