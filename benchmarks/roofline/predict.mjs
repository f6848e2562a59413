// Seconds from counts: each kernel takes the longest of its four demands, plus a fixed time a launch. Kernels do not overlap.
/** What holds a kernel up, and the seconds it takes. */
export function timeOf(kernel, { peak, share, fixed }) {
  let bound = 'matrix';
  let work = kernel.executed / (peak.matrix * (kernel.kind === 'attention' ? share.attention : share.matrix));
  for (const [name, demand] of [
    ['float32', kernel.float32],
    ['int32', kernel.int32],
    ['memory', kernel.bytes],
  ]) {
    const seconds = demand / (peak[name] * share[name]);
    if (seconds > work) [bound, work] = [name, seconds];
  }
  const start = kernel.launches * (kernel.kind === 'product' ? fixed.product : fixed.kernel);
  return { bound, work, start, seconds: work + start };
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
    const key = `${kernel.part}, ${kernel.phase}`;
    if (!parts.has(key)) parts.set(key, { part: kernel.part, phase: kernel.phase, ...empty() });
    const time = timeOf(kernel, chip);
    const row = parts.get(key);
    for (const name of measures) row[name] += kernel.times * kernel[name];
    for (const name of ['work', 'start', 'seconds']) row[name] += kernel.times * time[name];
    row.bound[time.bound] = (row.bound[time.bound] ?? 0) + kernel.times * time.work;
  }
  const total = empty();
  for (const row of parts.values()) {
    for (const name of [...measures, 'work', 'start', 'seconds']) total[name] += row[name];
    for (const [name, seconds] of Object.entries(row.bound))
      total.bound[name] = (total.bound[name] ?? 0) + seconds;
  }
  return { parts: [...parts.values()], total };
}
