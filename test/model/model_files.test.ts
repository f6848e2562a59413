// A model's file: what is in it, what it is compared with, and that reading it never takes what it cannot have.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { encodeSafetensors, readSafetensors, type Tensor } from '../../lib/data/safetensors/safetensors.js';
import { Transformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import type { NativeTransformer } from '../../lib/native/contract.js';
import { RdropError } from '../../lib/util/errors.js';
import { scratchDirectory } from '../support/scratch.js';

const run = promisify(execFile);

const config = {
  vocabSize: 12,
  embedDim: 8,
  ffnDim: 12,
  heads: 2,
  encoderLayers: 1,
  decoderLayers: 1,
  maxPositions: 16,
};
const batch = { source: [Int32Array.of(4, 5, 2)], target: [Int32Array.of(6, 7, 2)] };

describe('a saved model', () => {
  let bytes: Buffer;
  let logits: number[];
  let directory: string;
  let path: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rdrop-model-'));
    path = join(directory, 'model.safetensors');
    using model = await Transformer.create(config, { seed: 5 });
    await model.save(path);
    bytes = await readFile(path);
    logits = Array.from(await model.logits(batch));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('has a checksum in its metadata, the same for the same parameters', async () => {
    const { metadata } = await readSafetensors(path);
    expect(metadata['sha256']).toMatch(/^[0-9a-f]{64}$/);
    const again = join(scratchDirectory(), 'again.safetensors');
    using model = await Transformer.load(path);
    await model.save(again);
    expect((await readFile(again)).equals(bytes)).toBe(true);
  });

  it('damaged at any byte is refused, or is the same model', async () => {
    const damaged = join(scratchDirectory(), 'damaged.safetensors');
    const length = 8 + Number(bytes.readBigUInt64LE(0));
    // Every byte of the lengths and the configuration, some of the table of tensors and of the numbers.
    const places = Array.from(bytes.keys()).filter((at) => at < 420 || at % 97 === 0);
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= at % 2 === 0 ? 0x01 : 0x10;
      await writeFile(damaged, changed);
      const result = await Transformer.load(damaged).catch((error: unknown) => error);
      if (result instanceof Transformer) {
        expect([...(await result.logits(batch))], `byte ${at} of ${length}`).toEqual(logits);
        result.dispose();
      } else {
        expect(result, `byte ${at} of ${length}`).toBeInstanceOf(RdropError);
        expect((result as RdropError).code).not.toBe('INTERNAL');
      }
    }
  });

  it('with one number changed is refused by its checksum, and read without it', async () => {
    const changed = Buffer.from(bytes);
    changed[changed.length - 2]! ^= 1;
    const damaged = join(scratchDirectory(), 'changed.safetensors');
    await writeFile(damaged, changed);
    await expect(Transformer.load(damaged)).rejects.toMatchObject({
      code: 'CHECKPOINT_CORRUPT',
      message: expect.stringMatching(/changed\.safetensors: its SHA-256 .*verify: false/),
    });
    using model = await Transformer.load(damaged, undefined, {}, { verify: false });
    expect(model.parameterCount).toBeGreaterThan(0);
  });

  it('is the same when another program writes its tensors in another order', async () => {
    const { tensors, metadata } = await readSafetensors(path);
    const other = join(scratchDirectory(), 'other.safetensors');
    await writeFile(other, Buffer.concat(encodeSafetensors(new Map([...tensors].reverse()), metadata)));
    using model = await Transformer.load(other);
    expect([...(await model.logits(batch))]).toEqual(logits);
  });

  it('is read from 16 bits as float32, widened', async () => {
    const { tensors } = await readSafetensors(path);
    // bfloat16 is the upper half of float32; a file of it by hand, for rdrop writes none.
    const entries: string[] = [];
    const data: Uint8Array[] = [];
    const rounded = new Map<string, Tensor>();
    let at = 0;
    for (const [name, { shape, data: values }] of tensors) {
      const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
      const halves = Uint16Array.from(bits, (each) => each >>> 16);
      rounded.set(name, { shape, data: new Float32Array(Uint32Array.from(halves, (h) => h << 16).buffer) });
      entries.push(
        `${JSON.stringify(name)}:{"dtype":"BF16","shape":[${shape}],"data_offsets":[${at},${at + halves.byteLength}]}`,
      );
      data.push(new Uint8Array(halves.buffer));
      at += halves.byteLength;
    }
    const header = Buffer.from(`{${entries}}`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const halved = join(scratchDirectory(), 'half.safetensors');
    await writeFile(halved, Buffer.concat([length, header, ...data]));
    using model = await Transformer.load(halved, config);
    const parameters = await model.parameters();
    for (const [name, { data: values }] of rounded) expect(parameters.get(name)!.data, name).toEqual(values);
    using double = await Transformer.load(halved, config, { precision: 'float64' });
    const wide = (await double.parameters()).get('encoder.layers.0.fc1.weight')!.data;
    expect(Array.from(wide)).toEqual(
      Array.from(rounded.get('encoder.layers.0.fc1.weight')!.data as Float32Array),
    );
  });

  it('of integers, or of float32 for a model in float64, is another model’s', async () => {
    const { tensors } = await readSafetensors(path);
    await expect(Transformer.load(path, config, { precision: 'float64' })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(/model\.safetensors: parameter .*: expected F64.*, got F32/),
    });
    const { shape, data } = tensors.get('encoder.layers.0.fc1.bias')!;
    const integers = new Map(tensors).set('encoder.layers.0.fc1.bias', {
      shape,
      data: Int32Array.from(data as Float32Array),
    });
    const file = join(scratchDirectory(), 'integers.safetensors');
    await writeFile(file, Buffer.concat(encodeSafetensors(integers)));
    await expect(Transformer.load(file, config)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringContaining('fc1.bias: expected floating-point numbers, got I32'),
    });
  });
});

describe('sizes out of a file', () => {
  const fileOf = async (model: object, tensors = new Map<string, Tensor>()) => {
    const file = join(scratchDirectory(), 'sizes.safetensors');
    await writeFile(file, Buffer.concat(encodeSafetensors(tensors, { rdrop: JSON.stringify(model) })));
    return file;
  };

  it('are refused in a process that lives on', async () => {
    const cases: [object, string][] = [
      [{ vocabSize: 8998411743252952, embedDim: 2050, heads: 2 }, 'INVALID_CONFIG'],
      [{ vocabSize: 5, embedDim: 2 ** 53 - 2, heads: 2 }, 'INVALID_CONFIG'],
      [{ vocabSize: 5, maxPositions: 2 ** 52 }, 'INVALID_CONFIG'],
      [{ vocabSize: 5, encoderLayers: 1e9 }, 'INVALID_CONFIG'],
      [{ vocabSize: 5, encoderLayers: 1e300 }, 'INVALID_CONFIG'],
      [{ vocabSize: 2 ** 24, embedDim: 65536, ffnDim: 2 ** 20, heads: 1 }, 'CHECKPOINT_MISMATCH'],
      [
        { vocabSize: 2 ** 24, embedDim: 65536, encoderLayers: 1024, decoderLayers: 1024 },
        'CHECKPOINT_MISMATCH',
      ],
    ];
    const files: string[] = [];
    for (const [model] of cases) files.push(await fileOf(model));
    // In a process of its own: what this guards against ends it.
    const script = `
      import { Transformer } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
      const told = [];
      for (const file of ${JSON.stringify(files)}) {
        told.push(await Transformer.load(file).then(() => 'loaded', (error) => error.code));
      }
      process.stdout.write(JSON.stringify(told));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    expect(JSON.parse(stdout)).toEqual(cases.map(([, code]) => code));
  });

  it('that this machine cannot hold are reported before memory is taken', async () => {
    await expect(Transformer.create({ vocabSize: 2 ** 24, embedDim: 65536, heads: 1 })).rejects.toMatchObject(
      {
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/need \d+\.\d GiB of memory, this machine or container has/),
      },
    );
  });

  it('the core forms no product that does not fit', async () => {
    const complete = {
      ...config,
      dropout: 0,
      attentionDropout: 0,
      activationDropout: 0,
      norm: 'post',
      activation: 'relu',
      shareEmbeddings: 'all',
    } as const;
    const runtime = { seed: 1, device: 'cpu', precision: 'float32' } as const;
    for (const sizes of [
      { vocabSize: 8998411743252952, embedDim: 2050 },
      { vocabSize: 2 ** 40, embedDim: 2 ** 24 },
      { embedDim: 2 ** 52 },
      { ffnDim: 2 ** 53 - 1, embedDim: 2 ** 20 },
      { maxPositions: 2 ** 53 - 1, embedDim: 128 },
    ]) {
      const creating = native().Transformer.create({ ...complete, ...sizes }, runtime);
      await expect(creating, JSON.stringify(sizes)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

describe('a snapshot', () => {
  const optimizer = {
    schedule: 'constant',
    learningRate: 0.1,
    warmupUpdates: 0,
    warmupInitLearningRate: 0,
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-8,
    weightDecay: 0,
    clipNorm: 0,
  } as const;
  const loss = {
    direction: 'uni',
    alpha: 1,
    labelSmoothing: 0.1,
    ignoreIndex: -100,
    passReduction: 'sum',
  } as const;
  const packed = (tokens: Int32Array) => ({ tokens, offsets: Int32Array.of(0, tokens.length) });
  const packedBatch = { source: packed(batch.source[0]!), target: packed(batch.target[0]!) };
  const modelOf = (precision: 'float32' | 'bfloat16' | 'float64' = 'float32') =>
    native().Transformer.create(
      {
        ...config,
        dropout: 0,
        attentionDropout: 0,
        activationDropout: 0,
        norm: 'post',
        activation: 'relu',
        shareEmbeddings: 'all',
      },
      { seed: 3, device: 'cpu', precision },
    );
  const flatOf = async (model: NativeTransformer) =>
    [...(await model.parameters()).values()].flatMap((values) => [...values]);

  it.each(['float32', 'bfloat16', 'float64'] as const)(
    'holds the parameters of its moment while the model is trained (%s)',
    async (precision) => {
      const model = await modelOf(precision);
      const trainer = await native().Trainer.create(model, optimizer, loss);
      const before = await flatOf(model);
      const snapshot = await model.snapshot();
      const read = async () => {
        const all: number[] = [];
        for (const [name, shape] of model.parameterShapes) {
          const size = shape.reduce((a, b) => a * b, 1);
          const half = Math.floor(size / 2);
          all.push(...(await snapshot.read(name, 0, half)), ...(await snapshot.read(name, half, size)));
        }
        return all;
      };
      expect(await read()).toEqual(before);
      await trainer.step([packedBatch]);
      await trainer.step([packedBatch]);
      expect(await flatOf(model)).not.toEqual(before);
      expect(await read()).toEqual(before);
      // Disposed of while it is read: the snapshot keeps what it needs.
      model.dispose();
      expect(await read()).toEqual(before);
      snapshot.dispose();
      expect(() => snapshot.read('encoder.layers.0.fc1.bias', 0, 1)).toThrow(
        expect.objectContaining({ code: 'DISPOSED' }),
      );
    },
  );

  it('save() writes the parameters of its call, whatever happens next', async () => {
    const file = join(scratchDirectory(), 'saved.safetensors');
    const model = await Transformer.create(config, { seed: 8 });
    const before = await model.parameters();
    const saving = model.save(file);
    model.dispose();
    await saving;
    expect((await readSafetensors(file)).tensors).toEqual(
      new Map([...before].sort(([a], [b]) => (a < b ? -1 : 1))),
    );
  });

  test('ranges outside a parameter and numbers of another size are refused, nothing is written', async () => {
    const model = await modelOf();
    const before = await flatOf(model);
    const name = 'encoder.layers.0.fc1.bias';
    for (const [begin, end, values, code] of [
      [0, 13, new Float32Array(13), 'INVALID_ARGUMENT'],
      [-1, 2, new Float32Array(3), 'INVALID_ARGUMENT'],
      [5, 4, new Float32Array(0), 'INVALID_ARGUMENT'],
      [0.5, 2, new Float32Array(2), 'INVALID_ARGUMENT'],
      [0, 2 ** 60, new Float32Array(2), 'INVALID_ARGUMENT'],
      [0, 12, new Float32Array(11), 'CHECKPOINT_MISMATCH'],
      [0, 12, new Float64Array(12), 'CHECKPOINT_MISMATCH'],
    ] as const) {
      const writing = (async () => model.write(name, begin, end, values))();
      await expect(writing).rejects.toMatchObject({ code });
    }
    await expect(model.write('none', 0, 1, new Float32Array(1))).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
    });
    expect(await flatOf(model)).toEqual(before);
    await model.write(name, 3, 5, Float32Array.of(7, 8));
    expect((await model.parameters()).get(name)!.slice(2, 6)).toEqual(
      Float32Array.of(before[indexOf(model, name) + 2]!, 7, 8, before[indexOf(model, name) + 5]!),
    );
  });

  /** Where a parameter begins among all, as flatOf() strings them together. */
  function indexOf(model: NativeTransformer, wanted: string): number {
    let at = 0;
    for (const [name, shape] of model.parameterShapes) {
      if (name === wanted) return at;
      at += shape.reduce((a, b) => a * b, 1);
    }
    return -1;
  }
});
