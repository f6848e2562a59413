// The device that is measured: its name and the peak of its memory.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { native } from '../../dist/native/binding.js';
import { processorName } from '../../dist/util/processor.js';
import { childEnvironment } from '../../dist/util/programs.js';

/** What nvidia-smi says of the first GPU; null where there is none. */
function smi(...fields) {
  const child = spawnSync('nvidia-smi', [`--query-gpu=${fields.join()}`, '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
    env: childEnvironment(),
  });
  if (child.error || child.status !== 0) return null;
  const values = child.stdout.split('\n')[0].split(',');
  return Object.fromEntries(fields.map((field, i) => [field, values[i]?.trim() ?? null]));
}

/** @param {'cpu' | 'cuda'} kind */
export function openDevice(kind) {
  if (kind === 'cpu') {
    return {
      describe: () => ({ kind, name: processorName(), cores: cpus().length, totalBytes: totalmem() }),
      resetPeak: async () => {},
      /** Of the whole process since it began. */
      peakBytes: async () => process.resourceUsage().maxRSS * 1024,
    };
  }
  return {
    async describe() {
      const { name, computeCapability, multiprocessors, totalBytes } = await native().openCuda(0);
      const state = smi('driver_version', 'power.limit', 'clocks.max.sm', 'clocks.max.mem');
      return { kind, name, capability: computeCapability, multiprocessors, totalBytes, ...state };
    },
    resetPeak: () => native().resetPeak(0),
    peakBytes: async () => (await native().openCuda(0)).peakBytes,
  };
}
