// The restricted reader of pickles against Python's own pickle.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { wholeTensor } from '../../lib/data/safetensors/stored_tensor.js';
import { tensorOf, torchRules } from '../../lib/interchange/torch_file/globals.js';
import { readPickle } from '../../lib/interchange/torch_file/pickle.js';
import {
  PickleDict,
  PickleForeign,
  PickleTuple,
  type PickleValue,
} from '../../lib/interchange/torch_file/pickle_values.js';
import { OrderedPickleDict, writePickle } from '../../lib/interchange/torch_file/pickle_writer.js';
import { TorchFile } from '../../lib/interchange/torch_file/torch_file.js';
import { RdropError } from '../../lib/util/errors.js';
import { recordedJson, writeTorch } from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const recorded = recordedJson<Record<'plain' | 'hostile', Record<string, string>>>('pickles.json');
const bytesOf = (base64: string) => Buffer.from(base64, 'base64');
const read = (bytes: Uint8Array) => readPickle(bytes, 'file: member m/data.pkl', torchRules);

const tuple = (...items: PickleValue[]) => new PickleTuple(items);
const dict = (entries: Record<string, PickleValue>) => new PickleDict(Object.entries(entries));

describe('plain data', () => {
  it.each(Object.keys(recorded.plain))('of %s', (name) => {
    expect(read(bytesOf(recorded.plain[name]!))).toEqual(
      dict({
        none: null,
        flags: [true, false],
        numbers: [0, 1, -1, 255, 256, 65536, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, -(2 ** 40)],
        floats: [0.5, -1e300, 0.1],
        text: 'Grüße, 世界 😀',
        nested: dict({ tuple: tuple(1, tuple(2, 3), tuple()), list: [[], [1]] }),
      }),
    );
  });

  it('is what the writer wrote', () => {
    const ordered = new OrderedPickleDict([['a', 1]]);
    ordered.attributes = dict({ b: 'c' });
    const value = [
      null,
      true,
      0,
      -1,
      2 ** 31,
      2 ** 53 - 1,
      0.5,
      -0,
      'ß',
      tuple(1, []),
      dict({ k: [2] }),
      ordered,
    ];
    const copy = read(writePickle(value).pickle);
    expect(copy).toEqual(
      value.map((each) =>
        each === ordered ? Object.assign(new PickleDict(ordered), { attributes: ordered.attributes }) : each,
      ),
    );
  });

  it('keeps integers of any size exact', () => {
    const pickle = Buffer.from([0x80, 2, 0x8a, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x2e]);
    expect(read(pickle)).toBe(2n ** 64n - 1n);
  });
});

describe('what could run', () => {
  it.each(Object.keys(recorded.hostile))('%s', (name) => {
    expect(() => read(bytesOf(recorded.hostile[name]!))).toThrow(
      expect.objectContaining({
        code: 'UNSAFE_PICKLE',
        message: expect.stringMatching(
          /^file: member m\/data\.pkl: opcode at byte \d+: .*; nothing of it was run$/,
        ),
      }),
    );
  });

  it.each([
    ['os.system, protocol 2', 'posix.system'],
    ['os.system, protocol 4', 'posix.system'],
    ['eval, protocol 2', '__builtin__.eval'],
    ['eval, protocol 4', 'builtins.eval'],
    ['INST', 'os.system'],
    ['a class of its own with __setstate__', '__main__.Stateful'],
    ['a global with a dotted name', 'builtins.__import__'],
    ['torch.load', 'torch.serialization.load'],
  ])('%s is refused as %s', (name, global) => {
    const pattern = new RegExp(
      `got (the global|the opcode INST with the global) ${global.replaceAll('.', '\\.')};`,
    );
    expect(() => read(bytesOf(recorded.hostile[name]!))).toThrow(pattern);
  });

  it('names the file and the place in it', async () => {
    const directory = scratchDirectory();
    const marker = join(directory, 'ran');
    const command = `touch ${marker}`;
    const pickle = Buffer.from(
      `\x80\x02}X\x05\0\0\0modelcposix\nsystem\nX${u32(command.length)}${command}\x85Rs.`,
      'latin1',
    );
    const path = await writeTorch(join(directory, 'evil.pt'), pickle);
    await expect(TorchFile.open(path)).rejects.toMatchObject({
      code: 'UNSAFE_PICKLE',
      message: `${path}: member m/data.pkl: opcode at byte 13: expected nothing but tensors and plain data, got the global posix.system; nothing of it was run`,
    });
    expect(existsSync(marker)).toBe(false);
  });

  it('a symbol is no function', () => {
    expect(() => read(Buffer.from('\x80\x02ctorch\nFloatStorage\n)R.', 'latin1'))).toThrow(
      expect.objectContaining({
        code: 'UNSAFE_PICKLE',
        message: expect.stringMatching(/a call of torch\.FloatStorage/),
      }),
    );
  });

  it('a global of fairseq is data: its class is named and not called', () => {
    const pickle = Buffer.from(
      '\x80\x02cfairseq.dataclass.constants\nChoices\nX\x04\0\0\0none\x85R.',
      'latin1',
    );
    expect(read(pickle)).toMatchObject({ global: { name: 'Choices' }, args: ['none'] });
    expect(() => read(Buffer.from('\x80\x02cfairseq.utils\nimport_user_module\n.', 'latin1'))).toThrow(
      expect.objectContaining({ code: 'UNSAFE_PICKLE' }),
    );
  });
});

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('latin1');
};

/** A tensor over storage 0 of four floats. */
const tensor = (
  shape: string,
  strides: string,
  { offset = 'K\0', elements = 'K\x04', key = 'X\x01\0\0\x000' } = {},
) =>
  `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n${key}X\x03\0\0\0cpu${elements}tQ` +
  `${offset}${shape}${strides}\x89ccollections\nOrderedDict\n)RtR.`;

describe('damage', () => {
  it.each([
    ['nothing', '', /truncated/],
    ['no end', '\x80\x02N', /truncated/],
    ['an empty stack', '\x80\x02.', /stack is empty/],
    ['values left over', 'NN.', /1 values are left over/],
    ['a tuple of nothing', '\x85.', /stack is empty/],
    ['a value across a mark', '(K\x01(\x86.', /stack is empty/],
    ['no mark', 'Nt.', /no mark/],
    ['an item for no list', 'NK\x01a.', /expected a list/],
    ['items for no dict', '](K\x01K\x02u.', /expected a dict/],
    ['a key without a value', '}(K\x01u.', /no value/],
    ['a memo that is not there', 'h\x07.', /memo has no entry 7/],
    ['a huge string', `X${u32(0xffffffff)}abc.`, /a length of 4294967295 where 4 bytes are left/],
    ['a huge string of 8 bytes of length', `\x8d${'\xff'.repeat(8)}.`, /where 1 bytes are left/],
    ['a huge integer', `\x8b${u32(300)}${'\x01'.repeat(300)}.`, /an integer of 300 bytes/],
    ['a negative length', `\x8b${u32(0x80000000)}.`, /where 1 bytes are left/],
    ['text that is not UTF-8', 'U\x01\xff.', /UTF-8/],
    ['an unknown opcode', '\x00.', /no opcode has the value 0x0/],
    ['a protocol to come', '\x80\x09N.', /protocol 0 to 5/],
    ['a memo number that is none', 'Np-1\n.', /number of a memo entry/],
    ['arguments that are no tuple', 'ccollections\nOrderedDict\nNR.', /tuple of arguments/],
    ['a persistent id of another kind', 'K\x01Q.', /expected \("storage"/],
    [
      'a key that leaves its folder',
      tensor('K\x01\x85', 'K\x01\x85', { key: 'X\x04\0\0\x00../1' }),
      /expected \("storage"/,
    ],
    ['a shape that is not one', tensor('N', 'K\x01\x85'), /shape/],
    [
      'strides for another shape',
      tensor('K\x01K\x01\x86', 'K\x01\x85'),
      /shape \[1,1\] with the strides \[1\]/,
    ],
    ['a negative size', tensor('J\xff\xff\xff\xff\x85', 'K\x01\x85'), /shape/],
    ['a tensor beyond its storage', tensor('K\x05\x85', 'K\x01\x85'), /reaches element 4 of a storage of 4/],
    ['strides beyond its storage', tensor('K\x02K\x02\x86', 'K\x03K\x01\x86'), /reaches element 4/],
    [
      'an offset beyond its storage',
      tensor('K\x01\x85', 'K\x01\x85', { offset: 'K\x04' }),
      /reaches element 4/,
    ],
    ['a tensor blown up', tensor(`J${u32(1e9)}\x85`, 'K\0\x85'), /repeats the 4 elements/],
    [
      'negative elements',
      tensor('K\x01\x85', 'K\x01\x85', { elements: 'J\xff\xff\xff\xff' }),
      /expected \("storage"/,
    ],
  ])('%s', (_, pickle, message) => {
    expect(() => read(Buffer.from(pickle, 'latin1'))).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_CORRUPT', message: expect.stringMatching(message) }),
    );
  });

  it('a tensor that fits is one', () => {
    const value = read(Buffer.from(tensor('K\x02K\x02\x86', 'K\x01K\x02\x86'), 'latin1'));
    expect(tensorOf(value)).toMatchObject({ shape: [2, 2], strides: [1, 2], offset: 0 });
  });

  test('any bytes end in a value or in a coded error', () => {
    const whole = bytesOf(recorded.plain['protocol 2']!);
    const attempt = (bytes: Uint8Array) => {
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RdropError);
      }
    };
    for (let end = 0; end < whole.length; end++) attempt(whole.subarray(0, end));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), attempt), { numRuns: 2000, seed: 1 });
    const position = fc.nat(whole.length - 1);
    const spoil = fc.property(position, fc.nat(255), (at, byte) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      attempt(bytes);
    });
    fc.assert(spoil, { numRuns: 2000, seed: 1 });
  });

  test('lists that hold each other many times cost what their bytes do', () => {
    // Written out, the last list would have 10^40 items.
    let pickle = ']q\x00';
    for (let i = 0; i < 40; i++)
      pickle += `](${`h${String.fromCharCode(i)}`.repeat(10)}eq${String.fromCharCode(i + 1)}`;
    expect(read(Buffer.from(`(${pickle}l.`, 'latin1'))).toHaveLength(41);
  });

  test('a deep nest and one that holds itself', () => {
    const deep = Buffer.concat([
      Buffer.from(']'.repeat(100_000)),
      Buffer.from('a'.repeat(99_999)),
      Buffer.from('.'),
    ]);
    expect(read(deep)).toHaveLength(1);
    const self = read(Buffer.from(']q\x00h\x00a.', 'latin1')) as PickleValue[];
    expect(self[0]).toBe(self);
  });
});

test('a tensor comes back', async () => {
  const weight = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
  const { pickle, storages } = writePickle([new PickleForeign(weight), new PickleForeign(weight)]);
  expect(storages).toMatchObject([{ key: '0', tensor: { dtype: 'F32', shape: [2, 2] } }]);
  expect(await wholeTensor(storages[0]!.tensor, 'written')).toEqual(weight);
  const path = await writeTorch(join(scratchDirectory(), 'a.pt'), pickle, {
    0: new Uint8Array(weight.data.buffer),
  });
  const file = await TorchFile.open(path);
  const [first, second] = file.root as PickleValue[];
  expect(await file.tensor(tensorOf(first)!, 'first')).toEqual(weight);
  expect(await file.tensor(tensorOf(second)!, 'second')).toEqual(weight);
  expect(file.stored(tensorOf(second)!, 'second')).toBe(file.stored(tensorOf(first)!, 'first'));
  await file.close();
});
