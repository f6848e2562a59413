// Joins what benchmarks/gpu.mjs and benchmarks/peers/gpu.py have written, or scripts/gpu-check.sh alone, into one JSON and
// one Markdown file named after the device, with the goals met and missed.
//
//   node benchmarks/gpu_report.mjs RDROP.json PEERS.json [...] --out-directory benchmarks/results
//   node benchmarks/gpu_report.mjs benchmarks/results/DEVICE_check.json --out-directory benchmarks/results
//
// Files that are missing or broken are named in the report, as are stages that failed. Prints the paths it wrote.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isCheck, resultsOfCheck } from './gpu_report/check.mjs';
import { goalsOf } from './gpu_report/goals.mjs';
import { markdownOf } from './gpu_report/markdown.mjs';

/** 'NVIDIA GeForce RTX 3090' → 'nvidia_geforce_rtx_3090'. */
const fileNameOf = (name) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');

function readResults(files) {
  const results = [];
  const failed = [];
  for (const file of files) {
    try {
      const content = JSON.parse(readFileSync(file, 'utf8'));
      for (const result of isCheck(content) ? resultsOfCheck(content) : [content]) readResult(result);
    } catch (error) {
      failed.push({ program: file, stage: 'all', message: error.message });
    }
  }
  return { results, failed };

  function readResult(result) {
    if (typeof result.program !== 'string' || !Array.isArray(result.stages)) {
      throw new Error('not a file of gpu.mjs, peers/gpu.py or gpu-check.sh');
    }
    results.push(result);
    for (const { stage, failed: reason } of result.stages) {
      if (reason) failed.push({ program: result.program, stage, message: reason.message });
    }
  }
}

function writeWhole(path, text) {
  writeFileSync(`${path}.partial`, text);
  renameSync(`${path}.partial`, path);
}

const { values, positionals } = parseArgs({
  options: { 'out-directory': { type: 'string' } },
  allowPositionals: true,
});
if (values['out-directory'] === undefined || positionals.length === 0) {
  throw new Error('expected RDROP.json PEERS.json [...] --out-directory DIRECTORY');
}

const { results, failed } = readResults(positionals);
if (results.length === 0) {
  throw new Error(
    `none of the files could be read: ${failed.map(({ program, message }) => `${program}: ${message}`).join('; ')}`,
  );
}
const names = [...new Set(results.map(({ device }) => device.name).filter(Boolean))];
// The CPU has another name in Python; devices of CUDA have one.
if (names.length > 1 && results.every(({ device }) => device.kind === 'cuda')) {
  throw new Error(`the files are of different devices: ${names.join(', ')}`);
}
const device = { ...results[0].device, name: names[0] ?? results[0].device.kind };
const rows = (stage) =>
  results.flatMap(({ stages }) =>
    stages.filter((entry) => entry.stage.split(',')[0] === stage).flatMap((entry) => entry.rows),
  );
const report = {
  device,
  quick: results.some(({ quick }) => quick),
  conditions: results.map(({ program, date, seed, precision, versions, model, device: its }) => ({
    ...{ program, date, seed, precision, versions, model, driver: its.driver_version ?? null },
  })),
  failed,
  goals: [],
  ...{ loss: rows('loss'), step: rows('step'), epoch: rows('epoch') },
  ...{ validation: rows('validation'), memory: rows('memory') },
};
report.goals = goalsOf(report);

const path = join(values['out-directory'], fileNameOf(device.name));
writeWhole(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`);
writeWhole(`${path}.md`, markdownOf(report));
process.stdout.write(`${path}.json\n${path}.md\n`);
