/** Slots: what runs how many trials at once. */
import * as z from 'zod';

const pattern = /^(?:cpu:([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?|gpu:(\d{1,3}(?:,\d{1,3})*)(?:x([1-9]\d{0,2}))?)$/;

/** Slots as they are written, and what they say. */
export interface WrittenSlots {
  kind: 'cpu' | 'gpu';
  /** Trials at a time on the cores, or on each GPU. */
  trials: number;
  /** Threads of each trial on a CPU; null: the cores are shared out. */
  threads: number | null;
  /** Numbers of the GPUs that this process sees. */
  devices: number[];
}

/** Null for what is not written as slots are. */
export function parseSlots(text: string): WrittenSlots | null {
  const found = pattern.exec(text);
  if (!found) return null;
  const [, cpu, threads, gpus, each] = found;
  if (cpu !== undefined)
    return { kind: 'cpu', trials: Number(cpu), threads: threads ? Number(threads) : null, devices: [] };
  const devices = (gpus as string).split(',').map(Number);
  if (new Set(devices).size < devices.length) return null;
  return { kind: 'gpu', trials: Number(each ?? 1), threads: null, devices };
}

export const slotsSchema = z.string().refine((text) => parseSlots(text) !== null, {
  error:
    'expected slots such as cpu:2x1 (two trials at a time, one thread each), gpu:0,1 (one on each GPU) or gpu:0x3 (three on GPU 0)',
});
