// The fused loss keeps its rows in registers: nothing spills to memory, on no chip it was written for.
import { expect, test } from 'vitest';
import { nvccVersion, ptxasReport } from '../../scripts/ptxas_report.mjs';

for (const chip of ['sm_86', 'sm_90']) {
  test(`no kernel of the loss spills or has a stack on ${chip}`, (context) => {
    if (nvccVersion() === null) return context.skip('nvcc is not installed');
    const kernels = ptxasReport(chip);
    expect(kernels.length).toBeGreaterThan(0);
    const bad = kernels.filter(({ stack, spillStores, spillLoads }) => stack + spillStores + spillLoads > 0);
    expect(bad).toEqual([]);
    // At 10,152 classes in bfloat16 a thread of 256 has five groups; three such blocks share 65,536 registers.
    const iwslt = kernels.filter(({ kernel }) => kernel.includes('Bfloat16ELb1ELi256ELi5ELb1E'));
    expect(iwslt).toHaveLength(1);
    expect(iwslt[0]!.registers).toBeLessThanOrEqual(80);
  }, 900_000);
}
