import type { RdropWarning } from '../../util/warnings.js';

/** What changes where a run continues with another number of processes; null where none does. */
export function worldSizeWarning(
  { update, epoch, batches }: { update: number; epoch: number; batches: number },
  before: number,
  now: number,
  accumulate: number,
): RdropWarning | null {
  if (before === now) return null;
  const processes = (count: number) => (count === 1 ? '1 process' : `${count} processes`);
  return {
    code: 'WORLD_SIZE',
    message:
      `the run was trained by ${processes(before)} until update ${update} and continues with ${processes(now)}, at batch ${batches + 1} of ` +
      `epoch ${epoch}: an update takes ${now * accumulate} batches, not ${before * accumulate}, and an epoch has other updates; the ` +
      'schedule of the learning rate counts updates as before',
  };
}
