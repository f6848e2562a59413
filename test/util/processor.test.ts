import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { expect, test } from 'vitest';
import { processorName } from '../../lib/util/processor.js';

test('the processor with its generation, where the system names it', (context) => {
  const name = processorName();
  expect(name.startsWith(cpus()[0]!.model.trim())).toBe(true);
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return context.skip('family and model are read on Linux x86 alone');
  const line = (key: string) =>
    readFileSync('/proc/cpuinfo', 'utf8')
      .split('\n')
      .find((line) => line.split(':')[0]!.trim() === key)!
      .split(':')[1]!
      .trim();
  expect(name).toContain(`family ${line('cpu family')} model ${line('model')}`);
});
