// Pickles of one or two megabytes that ask for far more: refused by name, within seconds and a bounded heap.
import { describe, expect, it } from 'vitest';
import { torchRules } from '../../lib/interchange/torch_file/globals.js';
import { readPickle } from '../../lib/interchange/torch_file/pickle.js';
import { PickleBudget } from '../../lib/interchange/torch_file/pickle_budget.js';

const read = (pickle: string) =>
  readPickle(Buffer.from(pickle, 'latin1'), 'file: member m/data.pkl', torchRules);

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('latin1');
};
/** A list of so many small numbers, put into memo entry 0. */
const listOf = (count: number) => `](${'K\x01'.repeat(count)}eq\x00`;
/** A tuple of one argument, memo entry 0, in memo entry 1; then a global in 2, called so often. */
const calls = (global: string, count: number, more = '') =>
  `h\x00${more}${more === '' ? '\x85' : '\x86'}q\x01c${global}\nq\x02(${'h\x02h\x01R'.repeat(count)}l.`;
const mebibyte = 1 << 20;

const bombs: [string, () => string][] = [
  ['sets of one long list', () => listOf(200_000) + calls('builtins\nset', 100_000)],
  [
    'dicts of one long list of pairs',
    () => {
      let pairs = '](';
      for (let i = 0; i < 60_000; i++) pairs += `J${u32(i)}K\x01\x86`;
      return `${pairs}eq\x00${calls('collections\nOrderedDict', 100_000)}`;
    },
  ],
  [
    'bytes of one long text',
    () =>
      `X${u32(400_000)}${'a'.repeat(400_000)}q\x00${calls('_codecs\nencode', 100_000, 'X\x06\0\0\0latin1')}`,
  ],
  ['dicts', () => `(${'}'.repeat(mebibyte - 4)}l.`],
  ['tuples', () => `(${')'.repeat(2 * mebibyte)}l.`],
  ['lists', () => `(${']'.repeat(2 * mebibyte)}l.`],
  [
    'tensors of one storage',
    () => {
      const storage = `(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQq\x00`;
      const args = `(h\x00K\0K\x01\x85K\x01\x85\x89}tq\x01`;
      return `${storage}${args}ctorch._utils\n_rebuild_tensor_v2\nq\x02(${'h\x02h\x01R'.repeat(400_000)}l.`;
    },
  ],
  [
    'numbers as keys that fall together',
    () => {
      let pairs = '}(';
      // Keys of 64 bits as floating-point numbers, whose hashes anybody can compute.
      const key = Buffer.alloc(8);
      for (let i = 0; i < 100_000; i++) {
        key.writeDoubleBE(2 ** 40 * (i + 1));
        pairs += `G${key.toString('latin1')}N`;
      }
      return `${pairs}u.`;
    },
  ],
];

describe('bombs', () => {
  it.each(bombs)('%s', (_, pickle) => {
    const began = performance.now();
    expect(() => read(pickle())).toThrow(
      expect.objectContaining({
        code: 'UNSAFE_PICKLE',
        message: expect.stringMatching(
          /^file: member m\/data\.pkl: opcode at byte \d+: .*(takes more than \d+ bytes|more than 20000 keys)/,
        ),
      }),
    );
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  it('many short strings and long integers cost what their bytes do', () => {
    expect(read(`(${'X\0\0\0\0'.repeat(200_000)}l.`)).toHaveLength(200_000);
    expect(read(`(${`\x8a\xff${'\x7f'.repeat(255)}`.repeat(4000)}l.`)).toHaveLength(4000);
    expect(read(`(${`I${'9'.repeat(300)}\n`.repeat(3000)}l.`)).toHaveLength(3000);
  });
});

it('a budget counts down and names its limit', () => {
  const budget = new PickleBudget((why) => new RangeError(why), 100);
  budget.spend(60);
  budget.spend(40);
  expect(() => budget.spend(1)).toThrow(
    new RangeError('data that takes more than 100 bytes once it is read'),
  );
});
