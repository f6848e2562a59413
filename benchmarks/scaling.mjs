// How the training step grows: time per target token against batch size, types V and threads, and the peak memory of a process
// against V. Each point is a fresh process: its peak is its own, and no workspace of a larger shape is left over.
//
//   node benchmarks/scaling.mjs [--precision float32|bfloat16] [--steps 5] [--max-types 262144] [--quick] [--out DIRECTORY]
//
// Writes <out>/benchmarks/results/scaling.json and <out>/docs/plots/scaling-<what>.svg; out is the checkout when it is left out.
// The model is transformer_iwslt_de_en, 16 pairs of 24 + 24 tokens, unless the sweep says otherwise; V is swept with 2 + 2
// layers of D 256, so that the projection (chunked over target positions) and the embedding are what is seen. Medians.
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commit, median } from '../dist/benchmark/measure.js';
import { iwslt14Sizes, modelOf, quickSizes } from '../dist/benchmark/shapes.js';
import { batchSource, StepSides } from '../dist/benchmark/step_sides.js';
import { native, packageRoot } from '../dist/native/binding.js';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    precision: { type: 'string', default: 'float32' },
    steps: { type: 'string', default: '5' },
    'max-types': { type: 'string', default: '262144' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: packageRoot },
    point: { type: 'string' },
  },
});

/** One point, in this process: {sizes, pairs, length, threads}. */
async function measure({ sizes, pairs, length, threads, precision, steps }) {
  const context = {
    options: { seed: 1, threads, precision },
    python: { path: null, missing: 'not asked for' },
    onProgress: () => {},
  };
  const sides = await StepSides.open(context, modelOf(sizes), []);
  const next = batchSource(1, sizes[0]);
  const lengths = { source: new Array(pairs).fill(length), target: new Array(pairs).fill(length) };
  const seconds = [];
  for (let step = 0; step < steps + 2; step++) {
    const taken = (await sides.step(next(lengths), 'uni')).seconds;
    if (step >= 2) seconds.push(taken);
  }
  const point = { secondsPerToken: median(seconds) / (pairs * length), threads: native().info().threads };
  sides.close();
  return { ...point, peakMegabytes: process.resourceUsage().maxRSS / 1024 };
}

if (values.point !== undefined) {
  process.stdout.write(JSON.stringify(await measure(JSON.parse(values.point))));
} else {
  const { quick, precision } = values;
  const steps = quick ? 1 : Number(values.steps);
  const cores = cpus().length;
  const base = quick
    ? { sizes: quickSizes, pairs: 2, length: 5, threads: 1 }
    : { sizes: iwslt14Sizes, pairs: 16, length: 24, threads: 0 };
  const powers = (from, to) => {
    const found = [];
    for (let value = from; value <= to; value *= 2) found.push(value);
    return found;
  };
  const run = (point) => {
    const text = JSON.stringify({ ...base, ...point, precision, steps });
    const file = fileURLToPath(import.meta.url);
    process.stderr.write(`${text}\n`);
    return JSON.parse(
      execFileSync(process.execPath, [file, '--point', text], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  };
  const types = quick ? [64, 128] : powers(1024, Number(values['max-types']));
  const ofTypes = (v) => (quick ? [v, 32, 64, 4, 1] : [v, 256, 512, 4, 2]);
  const sweeps = {
    pairs: (quick ? [1, 2] : powers(1, 128)).map((pairs) => ({ pairs, ...run({ pairs }) })),
    types: types.map((v) => ({ types: v, ...run({ sizes: ofTypes(v) }) })),
    threads: (quick ? [1] : [...new Set([...powers(1, cores), cores])]).map((threads) => ({
      ...run({ threads }),
      threads,
    })),
  };
  const { compiledAgainst: libtorch, instructionSet } = native().info();
  const conditions = {
    ...{ precision, steps, quick, base, device: processorName(), cores, libtorch, instructionSet },
    ...{ node: process.versions.node, loadAverage: loadavg()[0], date: new Date().toISOString() },
    ...{ commit: commit(), onednnMaxCpuIsa: process.env.ONEDNN_MAX_CPU_ISA ?? null },
  };

  const write = (path, text) => {
    const place = join(resolve(values.out), path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(`${place}.part`, text);
    renameSync(`${place}.part`, place);
    process.stdout.write(`${place}\n`);
  };
  write('benchmarks/results/scaling.json', `${JSON.stringify({ conditions, ...sweeps }, null, 2)}\n`);
  const { chartDrawer } = await import('../dist/report/charts/draw.js');
  const draw = await chartDrawer();
  const plots = [
    ['pairs', 'pairs', 'secondsPerToken', 'pairs of a batch', 'Time of a step per target token'],
    ['types', 'types', 'secondsPerToken', 'types V', 'Time of a step per target token'],
    ['threads', 'threads', 'secondsPerToken', 'threads', 'Time of a step per target token'],
    ['memory', 'types', 'peakMegabytes', 'types V', 'Peak memory of the process'],
  ];
  for (const [name, x, y, xTitle, title] of plots) {
    const time = y === 'secondsPerToken';
    const points = sweeps[name === 'memory' ? 'types' : name].map((point) => [
      point[x],
      time ? 1e6 * point[y] : point[y],
    ]);
    const chart = {
      label: `${title} against ${xTitle}`,
      series: [{ name: title, color: '#0087d0' }],
      panels: [
        {
          ...{ kind: 'lines', title },
          ...{ x: { title: xTitle, scale: 'log2' }, y: { title: time ? 'microseconds' : 'MB', zero: true } },
          marks: [{ kind: 'line', series: 0, name: title, strong: true, points }],
        },
      ],
    };
    const svg = draw(chart, 640, name);
    // A file of its own needs the namespace that a page does without.
    write(
      `docs/plots/scaling-${name}.svg`,
      `${svg.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')}\n`,
    );
  }
}
