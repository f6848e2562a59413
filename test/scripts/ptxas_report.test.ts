import { expect, test } from 'vitest';
import { parseReport } from '../../scripts/ptxas_report.mjs';

test('a spill in the report is read as one', () => {
  const text = [
    "ptxas info    : Compiling entry function '_Zone' for 'sm_86'",
    'ptxas info    : Function properties for _Zone',
    '    24 bytes stack frame, 28 bytes spill stores, 32 bytes spill loads',
    'ptxas info    : Used 64 registers, used 1 barriers, 488 bytes cmem[0]',
  ].join('\n');
  expect(parseReport(text)).toEqual([
    { kernel: '_Zone', registers: 64, stack: 24, spillStores: 28, spillLoads: 32 },
  ]);
});
