// Files of torch.save, whole and damaged; the archive on its own.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { widenBfloat16, widenHalves } from '../../lib/data/safetensors/element_types.js';
import { tensorOf } from '../../lib/interchange/torch_file/globals.js';
import { fieldsOf, PickleDict, PickleForeign } from '../../lib/interchange/torch_file/pickle_values.js';
import { writePickle } from '../../lib/interchange/torch_file/pickle_writer.js';
import { TorchFile } from '../../lib/interchange/torch_file/torch_file.js';
import { encodeTorchFile } from '../../lib/interchange/torch_file/writer.js';
import { ZipArchive } from '../../lib/interchange/torch_file/zip_archive.js';
import { RdropError } from '../../lib/util/errors.js';
import {
  collected,
  interchangePath,
  recordedJson,
  writeTorch,
  zipOf,
} from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const python = (text: string) => Number(text.replace('inf', 'Infinity'));

describe('what torch.save wrote', () => {
  const recorded = recordedJson<Record<string, { shape: number[]; values: string[] }>>('tensors.json');

  it('tensors of every type and stride, numbers of numpy, a Namespace', async () => {
    const file = await TorchFile.open(interchangePath('tensors.pt'));
    const root = fieldsOf(file.root)!;
    expect(root.get('scalar')).toBe(0.25);
    expect(fieldsOf(root.get('options'))).toEqual(
      new Map<string, unknown>([
        ['a', 1],
        ['b', null],
      ]),
    );
    const tensors = fieldsOf(root.get('tensors'))!;
    expect([...tensors.keys()]).toEqual(Object.keys(recorded));
    for (const [name, { shape, values }] of Object.entries(recorded)) {
      if (name === 'byte') continue;
      const tensor = await file.tensor(tensorOf(tensors.get(name))!, name);
      expect(tensor.shape, name).toEqual(shape);
      if (name === 'long') expect(tensor.data).toEqual(BigInt64Array.from(values, BigInt));
      else expect([...(tensor.data as Float32Array)], name).toEqual(values.map(python));
    }
    await expect(file.tensor(tensorOf(tensors.get('byte'))!, 'byte')).rejects.toMatchObject({
      code: 'MALFORMED_FILE',
      message: expect.stringMatching(
        /tensors\.pt: tensor byte: expected one of FloatStorage.*, got ByteStorage/,
      ),
    });
    await file.close();
  });

  it('the format before 1.6 is refused with the way to convert it', async () => {
    await expect(TorchFile.open(interchangePath('old.pt'))).rejects.toMatchObject({
      code: 'MALFORMED_FILE',
      message: expect.stringMatching(/old\.pt: expected the zip format .* torch\.save\(torch\.load/),
    });
  });
});

test('halves of both kinds', () => {
  expect([
    ...widenHalves(Uint16Array.of(0, 0x8000, 0x3c00, 0xc100, 1, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00)),
  ]).toEqual([
    0,
    -0,
    1,
    -2.5,
    2 ** -24,
    2 ** -14,
    65504,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ]);
  expect([...widenBfloat16(Uint16Array.of(0x3f80, 0xc049, 0x7f80))]).toEqual([
    1,
    -3.140625,
    Number.POSITIVE_INFINITY,
  ]);
});

describe('damage', async () => {
  const weight = { shape: [3], data: Float32Array.of(1, 2, 3) };
  const root = new PickleDict([['w', new PickleForeign(weight)]]);
  const whole = await collected(encodeTorchFile(root, 'm'));
  const { pickle } = writePickle(root);
  const bytes = new Uint8Array(weight.data.buffer);
  const readAll = async (path: string) => {
    const file = await TorchFile.open(path);
    try {
      return await file.tensor(tensorOf(fieldsOf(file.root)!.get('w'))!, 'w');
    } finally {
      await file.close();
    }
  };
  const fileOf = async (content: Uint8Array) => {
    const path = join(scratchDirectory(), 'x.pt');
    await writeFile(path, content);
    return path;
  };

  it('none: the tensor is read', async () => {
    expect(await readAll(await fileOf(whole))).toEqual(weight);
  });

  it('every truncation is a coded error that names the file', async () => {
    const path = await fileOf(whole);
    for (let length = 0; length < whole.length; length += 1 + (length % 7)) {
      await writeFile(path, whole.subarray(0, length));
      const error = await readAll(path).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error, String(length)).toBeInstanceOf(RdropError);
      expect((error as RdropError).message).toContain(path);
      expect(['CHECKPOINT_CORRUPT', 'MALFORMED_FILE']).toContain((error as RdropError).code);
    }
  });

  it('every spoiled byte is noticed or does not matter', async () => {
    const path = await fileOf(whole);
    for (let at = 0; at < whole.length; at++) {
      const spoiled = Buffer.from(whole);
      spoiled[at]! ^= 0x55;
      await writeFile(path, spoiled);
      const result = await readAll(path).catch((error: unknown) => error);
      if (result instanceof Error) expect(result).toBeInstanceOf(RdropError);
      else expect(result).toEqual(weight);
    }
  });

  /** The archive with a field of the entry `member` in its directory replaced. */
  function patched(member: string, offset: number, value: number, width: 2 | 4): Buffer {
    const copy = Buffer.from(whole);
    let at = copy.lastIndexOf(`m/${member}`) - 46;
    expect(copy.readUInt32LE(at)).toBe(0x02014b50);
    at += offset;
    if (width === 2) copy.writeUInt16LE(value, at);
    else copy.writeUInt32LE(value, at);
    return copy;
  }
  const member = (name: string, content: Uint8Array) => ({ name: `m/${name}`, bytes: content });

  it.each<[string, () => Buffer, string, RegExp]>([
    [
      'no zip',
      () => Buffer.from('something else, and long enough'),
      'MALFORMED_FILE',
      /expected a zip archive/,
    ],
    [
      'compressed',
      () => patched('data/0', 10, 8, 2),
      'CHECKPOINT_CORRUPT',
      /member m\/data\/0: .*compression method 8/,
    ],
    ['encrypted', () => patched('data/0', 8, 1, 2), 'CHECKPOINT_CORRUPT', /member m\/data\/0: is encrypted/],
    [
      'two sizes',
      () => patched('data/0', 20, 11, 4),
      'CHECKPOINT_CORRUPT',
      /member m\/data\/0: is stored, but/,
    ],
    [
      'another checksum',
      () => patched('data/0', 16, 1, 4),
      'CHECKPOINT_CORRUPT',
      /member m\/data\/0: its checksum/,
    ],
    ['a member elsewhere', () => patched('data/0', 42, 0, 4), 'CHECKPOINT_CORRUPT', /member m\/data/],
    [
      'two of one name',
      () => zipOf([member('data.pkl', pickle), member('data/0', bytes), member('data/0', bytes)]),
      'CHECKPOINT_CORRUPT',
      /member m\/data\/0: is there twice/,
    ],
    [
      'no pickle',
      () => zipOf([member('data/0', bytes)]),
      'MALFORMED_FILE',
      /one member <name>\/data\.pkl, got 0/,
    ],
    [
      'two pickles',
      () => zipOf([member('data.pkl', pickle), { name: 'n/data.pkl', bytes: pickle }]),
      'MALFORMED_FILE',
      /got 2 of them/,
    ],
    [
      'no storage',
      () => zipOf([member('data.pkl', pickle)]),
      'CHECKPOINT_CORRUPT',
      /tensor w: its member m\/data\/0 is missing/,
    ],
    [
      'a storage too short',
      () => zipOf([member('data.pkl', pickle), member('data/0', bytes.subarray(0, 8))]),
      'CHECKPOINT_CORRUPT',
      /member m\/data\/0: expected 12 bytes for 3 elements of FloatStorage \(tensor w\), got 8/,
    ],
    [
      'the other order of bytes',
      () =>
        zipOf([member('data.pkl', pickle), member('byteorder', Buffer.from('big')), member('data/0', bytes)]),
      'MALFORMED_FILE',
      /member m\/byteorder: expected "little", got "big"/,
    ],
    [
      'a TorchScript archive',
      () =>
        zipOf([
          member('data.pkl', pickle),
          member('code/__torch__.py', Buffer.from('x')),
          member('data/0', bytes),
        ]),
      'UNSAFE_PICKLE',
      /member m\/code\/__torch__\.py: .*TorchScript/,
    ],
    [
      'a pickle that is cut off',
      () => zipOf([member('data.pkl', pickle.subarray(0, 20)), member('data/0', bytes)]),
      'CHECKPOINT_CORRUPT',
      /member m\/data\.pkl: opcode at byte \d+: /,
    ],
  ])('%s', async (_, content, code, message) => {
    const path = await fileOf(content());
    const error = await readAll(path).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(path);
  });

  it('a bomb of a zip: a compressed member, and one that is many', async () => {
    const zeros = deflateRawSync(Buffer.alloc(10 << 20));
    const bomb = zipOf([member('data.pkl', pickle), member('data/0', zeros)]);
    const at = bomb.lastIndexOf('m/data/0') - 46;
    bomb.writeUInt16LE(8, at + 10);
    bomb.writeUInt32LE(10 << 20, at + 24);
    await expect(readAll(await fileOf(bomb))).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' });
    const names = zipOf([member('data.pkl', pickle), member('data/0', bytes), member('data/1', bytes)]);
    // data/1 begins where data/0 does.
    const [first, second] = ['m/data/0', 'm/data/1'].map((name) => names.lastIndexOf(name) - 46) as [
      number,
      number,
    ];
    names.writeUInt32LE(names.readUInt32LE(first + 42), second + 42);
    await expect(readAll(await fileOf(names))).rejects.toMatchObject({
      code: 'CHECKPOINT_CORRUPT',
      message: expect.stringMatching(/reach into what begins at/),
    });
  });

  it('a file that is not there, a directory', async () => {
    await expect(TorchFile.open(join(scratchDirectory(), 'none.pt'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(TorchFile.open(scratchDirectory())).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

test('sizes and places of 64 bits', async () => {
  const content = Buffer.from('0123456789'.repeat(20));
  const members = [
    { name: 'a', bytes: content },
    { name: 'dir/ß', bytes: content.subarray(3, 9) },
    { name: 'c', bytes: new Uint8Array(0) },
  ];
  for (const limit of [1, 50, 300, 0xffffffff]) {
    const path = join(scratchDirectory(), 'wide.zip');
    await writeFile(path, zipOf(members, limit));
    const archive = await ZipArchive.open(path);
    expect([...archive.members.keys()]).toEqual(members.map(({ name }) => name));
    for (const { name, bytes } of members) {
      expect(
        Buffer.from(await archive.read(archive.members.get(name)!)).equals(bytes),
        `${limit} ${name}`,
      ).toBe(true);
    }
    await archive.close();
  }
});

test('storages begin at multiples of 64 bytes', async () => {
  const file = await writeTorch(join(scratchDirectory(), 'a.pt'), Buffer.from('N.'), {
    0: Buffer.from('needle'),
  });
  expect(readFileSync(file).indexOf('needle') % 64).toBe(0);
});
