// Seconds from counts: each kernel takes the longest of its four demands, plus a fixed time a launch. Kernels do not overlap.
/** What holds a kernel up, and the seconds it takes. */
export function timeOf(kernel, { peak, share, fixed }) {
  let bound = 'matrix';
  let work = kernel.executed / (peak.matrix * (kernel.kind === 'attention' ? share.attention : share.matrix));
  const longer = (name, demand) => {
    const seconds = demand / (peak[name] * share[name]);
    if (seconds > work) [bound, work] = [name, seconds];
  };
  longer('float32', kernel.float32);
  longer('int32', kernel.int32);
  longer('memory', kernel.bytes);
  const start = kernel.launches * (kernel.kind === 'product' ? fixed.product : fixed.kernel);
  return { bound, work, start, seconds: work + start };
}

/** Seconds of all of them. */
export function secondsOf(kernels, chip) {
  let seconds = 0;
  for (const kernel of kernels) seconds += kernel.times * timeOf(kernel, chip).seconds;
  return seconds;
}

const measures = ['flops', 'executed', 'float32', 'int32', 'bytes', 'launches'];

/**
 * Sums by part and phase.
 *
 * @param kernels those of some steps (stepKernels)
 * @returns {{parts: object[], total: object}} counts, work, start, seconds; bound: seconds of work by what holds it up
 */
export function predict(kernels, chip) {
  const parts = new Map();
  const empty = () => ({
    ...Object.fromEntries(measures.map((name) => [name, 0])),
    work: 0,
    start: 0,
    seconds: 0,
    bound: {},
  });
  for (const kernel of kernels) {
    if (!parts.has(kernel.part)) parts.set(kernel.part, new Map());
    const phases = parts.get(kernel.part);
    if (!phases.has(kernel.phase)) {
      phases.set(kernel.phase, { part: kernel.part, phase: kernel.phase, ...empty() });
    }
    const row = phases.get(kernel.phase);
    const time = timeOf(kernel, chip);
    for (const name of measures) row[name] += kernel.times * kernel[name];
    for (const name of ['work', 'start', 'seconds']) row[name] += kernel.times * time[name];
    row.bound[time.bound] = (row.bound[time.bound] ?? 0) + kernel.times * time.work;
  }
  const rows = [...parts.values()].flatMap((phases) => [...phases.values()]);
  const total = empty();
  for (const row of rows) {
    for (const name of [...measures, 'work', 'start', 'seconds']) total[name] += row[name];
    for (const [name, seconds] of Object.entries(row.bound))
      total.bound[name] = (total.bound[name] ?? 0) + seconds;
  }
  return { parts: rows, total };
}
