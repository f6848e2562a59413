// How long `rdrop watch` takes to show many runs: 200 of 3,000 lines each, made here, in headless Chromium.
//
//   node benchmarks/watch.mjs [--runs 200] [--lines 3000] [--rounds 5] [--out FILE]
//
// From the start of `rdrop watch` to its address; from asking for the page to the whole table, and to the curves of the runs that are
// shown first. The files are in the page cache: they have just been written. Prints one JSON object.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    lines: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '5' },
    out: { type: 'string' },
  },
});
const [runs, lines, rounds] = [values.runs, values.lines, values.rounds].map(Number);

const root = mkdtempSync(join(tmpdir(), 'rdrop-watch-'));
let bytes = 0;
for (let i = 0; i < runs; i++) {
  const directory = join(root, 'sweep', `uni-${i}`);
  mkdirSync(directory, { recursive: true });
  const config = { seed: i, data: '/data', maxUpdates: 400_000, loss: { direction: 'uni', alpha: 5 } };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  writeFileSync(join(directory, 'environment.json'), '{}');
  const text = Array.from({ length: lines }, (_, at) => {
    const update = 100 * (at + 1);
    const common = {
      update,
      epoch: 1 + Math.floor(at / 30),
      loss: 9 * Math.exp(-at / 800) + i / 1000,
      nll: 3.217384954,
      seconds: at * 21.5,
    };
    return at % 30 === 29
      ? { type: 'validation', ...common, bleu: 38 - 20 * Math.exp(-at / 500), validationSeconds: 13.12 }
      : {
          type: 'train',
          ...common,
          kl: 0.1382811,
          crossEntropy: 7.8127362,
          tokens: 309_482,
          learningRate: 1 / update,
          gradientNorm: 0.7236,
          skipped: 0,
          tokensPerSecond: 14_382.2,
        };
  })
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
  bytes += text.length;
  writeFileSync(join(directory, 'metrics.jsonl'), text);
  if (i % 2 === 0)
    writeFileSync(
      join(directory, 'result.json'),
      JSON.stringify({ updates: 100 * lines, testBleu: { score: 37 } }),
    );
}
const seeds = Array.from({ length: runs }, (_, i) => i);
writeFileSync(join(root, 'sweep', 'sweep.json'), JSON.stringify({ seeds, directions: ['uni'] }));

const seconds = { address: [], table: [], curves: [] };
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    const server = spawn(process.execPath, [
      new URL('../dist/cli/main.js', import.meta.url).pathname,
      'watch',
      root,
      '--json',
    ]);
    // Nothing is left behind by a round that fails.
    process.once('exit', () => server.kill());
    const url = await new Promise((resolve) => {
      server.stdout.once('data', (text) => resolve(JSON.parse(text).url));
    });
    seconds.address.push((performance.now() - began) / 1000);
    const page = await browser.newPage();
    const asked = performance.now();
    await page.goto(url, { waitUntil: 'commit' });
    await page
      .locator('#runs tbody tr')
      .nth(runs - 1)
      .waitFor({ state: 'attached' });
    seconds.table.push((performance.now() - asked) / 1000);
    await page.locator('body[data-ready]').waitFor();
    seconds.curves.push((performance.now() - asked) / 1000);
    await page.close();
    const ended = new Promise((resolve) => {
      server.once('exit', resolve);
    });
    server.kill('SIGTERM');
    await ended;
  }
} finally {
  await browser.close();
  rmSync(root, { recursive: true, force: true });
}
const summary = (all) => {
  const sorted = [...all].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0], most: sorted.at(-1) };
};
const result = {
  ...{ runs, lines, megabytes: Math.round(bytes / 1e6), rounds },
  seconds: Object.fromEntries(Object.entries(seconds).map(([name, all]) => [name, summary(all)])),
  ...{ processor: processorName(), node: process.version, chromium: browser.version(), load: loadavg()[0] },
};
const text = `${JSON.stringify(result, null, 2)}\n`;
process.stdout.write(text);
if (values.out !== undefined) writeFileSync(values.out, text);
