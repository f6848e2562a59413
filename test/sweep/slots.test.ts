import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseSlots } from '../../lib/options/slots.js';
import { slotsOf, visibleGpus } from '../../lib/sweep/slots.js';

describe('slots', () => {
  it('are trials on the cores, with threads each', () => {
    expect(slotsOf('cpu:2x3', 'slots')).toEqual([
      { name: 'cpu:0', device: 'cpu', threads: 3, env: {} },
      { name: 'cpu:1', device: 'cpu', threads: 3, env: {} },
    ]);
    expect(slotsOf('cpu:1', 'slots')[0]?.threads).toBe(availableParallelism());
  });

  it('are trials on GPUs, each of which sees its own alone', () => {
    const gpus = ['4', 'GPU-7', '6'];
    expect(slotsOf('gpu:0,2', 'slots', gpus).map(({ name, env }) => [name, env])).toEqual([
      ['gpu:0', { CUDA_VISIBLE_DEVICES: '4' }],
      ['gpu:2', { CUDA_VISIBLE_DEVICES: '6' }],
    ]);
    const three = slotsOf('gpu:1x3', 'slots', gpus);
    expect(three.map(({ name }) => name)).toEqual(['gpu:1.0', 'gpu:1.1', 'gpu:1.2']);
    expect(
      three.every(({ env, device }) => env['CUDA_VISIBLE_DEVICES'] === 'GPU-7' && device === 'cuda'),
    ).toBe(true);
    expect(() => slotsOf('gpu:3', 'slots', gpus)).toThrow(/0 to 2.*got 3/);
    expect(() => slotsOf('gpu:0', 'slots', [])).toThrow(/none.*got 0/);
  });

  it('are refused where they are written otherwise', () => {
    for (const text of [
      '',
      'cpu',
      'cpu:',
      'cpu:0',
      'cpu:2x0',
      'gpu:',
      'gpu:a',
      'gpu:0,0',
      'gpu:0x0',
      'tpu:1',
      'cpu:2 ',
    ])
      expect(parseSlots(text), text).toBe(null);
  });

  it('see the GPUs that CUDA_VISIBLE_DEVICES leaves', () => {
    const nodes = ['null', 'nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm'];
    expect(visibleGpus({}, nodes)).toEqual(['0', '1']);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '3, 5' }, nodes)).toEqual(['3', '5']);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '' }, nodes)).toEqual([]);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '2,-1,3' }, nodes)).toEqual(['2']);
  });
});
