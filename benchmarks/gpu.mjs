// rdrop's figures on one device: the loss operation, training steps and an epoch on the lengths of IWSLT'14, beam search,
// peak memory. peers/gpu.py measures PyTorch on the same batches, gpu_report.mjs joins both.
//
//   node benchmarks/gpu.mjs --out FILE.json [--device cuda|cpu] [--quick]
//
// --quick runs every stage on a tiny shape, to see that it runs. A stage that fails is named in the file, the others run;
// the exit status is then 1.
import { parseArgs } from 'node:util';
import { native } from '../dist/native/binding.js';
import { openDevice } from './gpu/device.mjs';
import { lossRows } from './gpu/loss.mjs';
import { settingsOf } from './gpu/settings.mjs';
import { Stages } from './gpu/stages.mjs';
import { Steps } from './gpu/step.mjs';
import { validationRows } from './gpu/validation.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    device: { type: 'string', default: 'cuda' },
    quick: { type: 'boolean', default: false },
  },
});
if (values.out === undefined) throw new Error('--out FILE.json: expected the file to write');
if (!['cuda', 'cpu'].includes(values.device)) {
  throw new Error(`--device: expected cuda or cpu, got ${values.device}`);
}

const settings = settingsOf(values);
const device = openDevice(settings.device);
const { compiledAgainst, instructionSet, threads } = native().info();
let description = { kind: settings.device, name: null };
let unavailable;
try {
  description = await device.describe();
} catch (error) {
  unavailable = error;
}
const { model, seed, precision, loss, optimizer, quick } = settings;
const stages = new Stages(values.out, {
  ...{ program: 'rdrop', quick, date: new Date().toISOString().slice(0, 10), seed, precision },
  device: description,
  versions: { node: process.versions.node, libtorch: compiledAgainst, instructionSet, threads },
  ...{ model, loss, optimizer },
});

/** Without the device every stage fails, and none may fall back to another one. */
const onDevice = (stage, body) =>
  stages.run(stage, () => {
    if (unavailable !== undefined) throw unavailable;
    return body();
  });

const steps = new Steps(settings, device);
let measured = [];
await onDevice('loss', () => lossRows(settings));
await onDevice('memory', () => steps.open());
await onDevice('step', async () => {
  measured = await steps.stepRows(description.name);
  return measured;
});
await onDevice('epoch', () => {
  if (measured.length === 0) throw new Error('there is no time of a step: its stage failed');
  return steps.epochRows(measured);
});
await onDevice('validation', () => validationRows(settings, steps.model));
steps.close();
if (stages.failed.length > 0) process.exitCode = 1;
