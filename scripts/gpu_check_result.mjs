// The last stage of gpu-check.sh: how its stages ended goes into the report that benchmarks/gpu_report.mjs wrote for the
// device, or into one of its own where the benchmarks wrote none. Prints the paths.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    ...{ stages: text, device: text, capability: text, driver: text, seconds: text },
    'out-directory': text,
  },
});

/** The same name as that of gpu_report.mjs. */
const fileName = values.device
  .toLowerCase()
  .replace(/[^a-z0-9]+/g, '_')
  .replace(/^_|_$/g, '');
const path = join(values['out-directory'], fileName);

const checks = readFileSync(values.stages, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [stage, result, seconds, message] = line.split('\t');
    return { stage, result, seconds: Number(seconds), message: message.trim() };
  });

// The report of an earlier run has its checks already, and its figures are no figures of this one.
const report = existsSync(`${path}.json`) ? JSON.parse(readFileSync(`${path}.json`, 'utf8')) : null;
const isNew = report !== null && !('checks' in report);
const whole = {
  ...(isNew
    ? report
    : { device: { name: values.device, computeCapability: values.capability, driver: values.driver } }),
  checks,
};

const cell = (value) => String(value).replaceAll('|', '\\|');
const table = [
  '| stage | result | s | |',
  '| --- | --- | ---: | --- |',
  ...checks.map(
    ({ stage, result, seconds, message }) =>
      `| ${cell(stage)} | ${result === 'failed' ? '**failed**' : result} | ${seconds} | ${cell(message)} |`,
  ),
].join('\n');
const head = isNew ? readFileSync(`${path}.md`, 'utf8').trimEnd() : `# ${values.device}`;
const markdown =
  `${head}\n\n## Checks\n\nscripts/gpu-check.sh, ${values.seconds} s in all; compute capability ` +
  `${values.capability}, driver ${values.driver}.\n\n${table}\n`;

for (const [file, content] of [
  [`${path}.json`, `${JSON.stringify(whole, null, 2)}\n`],
  [`${path}.md`, markdown],
]) {
  writeFileSync(`${file}.partial`, content);
  renameSync(`${file}.partial`, file);
  process.stdout.write(`${file}\n`);
}
