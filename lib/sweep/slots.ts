import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { native } from '../native/binding.js';
import type { DeviceName } from '../options/runtime.js';
import { parseSlots } from '../options/slots.js';
import { RdropError } from '../util/errors.js';

/** A place where one trial at a time runs. */
export interface Slot {
  /** `cpu:0`, `gpu:1`; on a GPU for several trials `gpu:1.0`, `gpu:1.1`. */
  name: string;
  /** Of a trial whose configuration says `auto`. */
  device: DeviceName;
  /** Of a trial whose configuration leaves them open. */
  threads: number;
  /** For the environment of the trial's process. */
  env: Record<string, string>;
}

/**
 * The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them. A trial sees one of them alone, and it is device 0 there.
 *
 * @param nodes names in /dev
 */
export function visibleGpus(
  env: Readonly<Record<string, string | undefined>> = process.env,
  nodes: readonly string[] = devNodes(),
): string[] {
  const there = nodes.filter((name) => /^nvidia\d+$/.test(name)).map((name) => name.slice('nvidia'.length));
  const visible = env['CUDA_VISIBLE_DEVICES'];
  if (visible === undefined) return there.map((_, index) => String(index));
  const names = visible.split(',').map((name) => name.trim());
  // As CUDA reads it: what comes after a name of no device does not count.
  const end = names.findIndex((name) => name === '' || name.startsWith('-'));
  return end < 0 ? names : names.slice(0, end);
}

function devNodes(): string[] {
  try {
    return readdirSync('/dev');
  } catch {
    return [];
  }
}

const threadsOf = (trials: number): number => Math.max(1, Math.floor(availableParallelism() / trials));

const onCores = (trials: number, threads: number, device: DeviceName): Slot[] =>
  Array.from({ length: trials }, (_, index) => ({ name: `cpu:${index}`, device, threads, env: {} }));

function onGpus(devices: readonly number[], trials: number, gpus: readonly string[]): Slot[] {
  const threads = threadsOf(devices.length * trials);
  return devices.flatMap((device) =>
    Array.from({ length: trials }, (_, index): Slot => {
      const name = trials === 1 ? `gpu:${device}` : `gpu:${device}.${index}`;
      return { name, device: 'cuda', threads, env: { CUDA_VISIBLE_DEVICES: gpus[device] ?? String(device) } };
    }),
  );
}

/**
 * The slots that a text describes.
 *
 * @throws RdropError INVALID_CONFIG where a GPU is named that this process does not see
 */
export function slotsOf(text: string, what: string, gpus = visibleGpus()): Slot[] {
  const written = parseSlots(text);
  if (written === null)
    throw new RdropError('INVALID_CONFIG', `${what}: expected slots, got ${JSON.stringify(text)}`);
  const { kind, trials, threads, devices } = written;
  if (kind === 'cpu') return onCores(trials, threads ?? threadsOf(trials), 'cpu');
  const missing = devices.find((device) => device >= gpus.length);
  if (missing !== undefined) {
    throw new RdropError(
      'INVALID_CONFIG',
      `${what}: expected GPUs that this process sees (${gpus.length === 0 ? 'none' : `0 to ${gpus.length - 1}`}), got ${missing}`,
    );
  }
  return onGpus(devices, trials, gpus);
}

/** One on each GPU that can be used, else null. The native core is asked only where there is a GPU. */
export function gpuSlots(device: DeviceName): Slot[] | null {
  const gpus = device === 'cpu' ? [] : visibleGpus();
  if (gpus.length === 0) return null;
  const { available, devices } = native().info().cuda;
  const usable = available ? Math.min(gpus.length, devices.length || gpus.length) : 0;
  return usable === 0 ? null : onGpus([...Array(usable).keys()], 1, gpus);
}

/** What a machine has: its GPUs, else its cores. */
export const machineSlots = (): Slot[] => gpuSlots('auto') ?? onCores(availableParallelism(), 1, 'cpu');

/** So many trials at a time, which share the cores, on whatever device their configuration says. */
export const plainSlots = (trials: number): Slot[] => onCores(trials, threadsOf(trials), 'auto');
