// The device that is measured: its name, when its work is done, and the peak of its memory.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { native } from '../../dist/binding.js';

/** What nvidia-smi says of the first GPU; null where there is none. */
function smi(...fields) {
  const child = spawnSync('nvidia-smi', [`--query-gpu=${fields.join()}`, '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
  });
  if (child.error || child.status !== 0) return null;
  const values = child.stdout.split('\n')[0].split(',');
  return Object.fromEntries(fields.map((field, i) => [field, values[i]?.trim() ?? null]));
}

/** @param {'cpu' | 'cuda'} kind */
export function openDevice(kind) {
  if (kind === 'cpu') {
    return {
      describe: () => ({ kind, name: cpus()[0].model, cores: cpus().length, totalBytes: totalmem() }),
      synchronize: async () => {},
      resetPeak: async () => {},
      /** Of the whole process since it began. */
      peakBytes: async () => process.resourceUsage().maxRSS * 1024,
    };
  }
  return {
    async describe() {
      const { name, computeMajor, computeMinor, multiprocessors, totalBytes } =
        await native().deviceInfo(kind);
      const state = smi('driver_version', 'power.limit', 'clocks.max.sm', 'clocks.max.mem');
      return {
        kind,
        name,
        capability: `${computeMajor}.${computeMinor}`,
        multiprocessors,
        totalBytes,
        ...state,
      };
    },
    synchronize: () => native().synchronize(kind),
    resetPeak: () => native().resetPeak(kind),
    peakBytes: async () => (await native().deviceInfo(kind)).peakBytes,
  };
}
