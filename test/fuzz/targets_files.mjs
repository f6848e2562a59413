// Formats of bytes: tensors, archives, pickles.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { readSafetensors } from '../../dist/data/safetensors/safetensors.js';
import { readTarMembers } from '../../dist/data/tar_archive.js';
import { readFairseqCheckpoint } from '../../dist/interchange/fairseq/checkpoint.js';
import { modelOf, optionsOf } from '../../dist/interchange/fairseq/options.js';
import { torchRules } from '../../dist/interchange/torch_file/globals.js';
import { readPickle } from '../../dist/interchange/torch_file/pickle.js';
import { TorchFile } from '../../dist/interchange/torch_file/torch_file.js';
import { ZipArchive } from '../../dist/interchange/torch_file/zip_archive.js';
import { byStructure, bytes, file, fixture, insideGzip, json, jsonTokens, text } from './samples.mjs';

const safetensorsHeader = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] },
  b: { dtype: 'I64', shape: [1], data_offsets: [16, 24] },
};
const safetensors = (header, data) => {
  const head = typeof header === 'string' ? bytes(header) : json(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(head.length), true);
  return new Uint8Array(Buffer.concat([length, head, data]));
};
const splitSafetensors = (seed) => {
  const length = Number(new DataView(seed.buffer, seed.byteOffset).getBigUint64(0, true));
  return [seed.subarray(8, 8 + length), seed.subarray(8 + length)];
};

async function membersOf(data) {
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-fuzz-'));
  try {
    writeFileSync(join(directory, 'zip'), data);
    const archive = await ZipArchive.open(join(directory, 'zip'));
    const members = {};
    for (const [name, member] of archive.members) members[name] = new Uint8Array(await archive.read(member));
    await archive.close();
    return members;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const torchFiles = ['tensors.pt', 'newest.pt', 'prenorm.pt'].map((name) => fixture(`interchange/${name}`));
const torchMembers = await Promise.all(torchFiles.map(membersOf));
const pickles = torchMembers.map(
  (members) => Object.entries(members).find(([name]) => name.endsWith('data.pkl'))[1],
);
/** A file of torch.save whose pickle is mutated. */
const byPickle = (_, random, generic) => {
  const members = { ...random.pick(torchMembers) };
  const name =
    random.next() < 0.8
      ? Object.keys(members).find((each) => each.endsWith('data.pkl'))
      : random.pick(Object.keys(members));
  members[name] = generic(members[name]);
  return new Uint8Array(Buffer.from(zipSync(members, { level: 0 })));
};

function tarOf(members) {
  const blocks = [];
  for (const [name, content] of Object.entries(members)) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('0', 156);
    header.write('ustar\0' + '00', 257);
    blocks.push(
      withChecksum(header),
      Buffer.from(content),
      Buffer.alloc((512 - (content.length % 512)) % 512),
    );
  }
  return new Uint8Array(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
function withChecksum(header) {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
/** A field of a header of the archive, the checksum made right again, packed or not. */
const byTarHeader = (seed, random, generic) => {
  const packed = seed[0] === 0x1f;
  const archive = Buffer.from(packed ? gunzipSync(seed) : seed);
  const header = archive.subarray(0, 512);
  const [at, length] = random.pick([
    [0, 100],
    [124, 12],
    [156, 1],
    [157, 100],
    [345, 155],
    [257, 8],
  ]);
  header.fill(0, at, at + length);
  header.set(generic(new Uint8Array(header.subarray(at, at + length))).subarray(0, length), at);
  withChecksum(header);
  return new Uint8Array(packed ? gzipSync(archive) : archive);
};
const tar = tarOf({ 'de-en/a': bytes('eins\nzwei\n'), 'de-en/b': bytes('one\ntwo\n') });

const options = new Map(
  Object.entries({
    arch: 'transformer_iwslt_de_en',
    encoder_embed_dim: 16,
    decoder_embed_dim: 16,
    encoder_layers: 1,
    decoder_layers: 1,
    encoder_attention_heads: 2,
    decoder_attention_heads: 2,
    encoder_ffn_embed_dim: 32,
    decoder_ffn_embed_dim: 32,
    share_all_embeddings: true,
    dropout: 0.1,
    source_lang: 'de',
    target_lang: 'en',
    max_source_positions: 1024,
  }),
);
/** Maps for the objects of a JSON value, as a pickle's. */
const asPickle = (value) =>
  Array.isArray(value)
    ? value.map(asPickle)
    : typeof value === 'object' && value !== null
      ? new Map(Object.entries(value).map(([key, each]) => [key, asPickle(each)]))
      : value;

export const targets = {
  safetensors: {
    seeds: () => [fixture('data/python.safetensors'), safetensors(safetensorsHeader, new Uint8Array(24))],
    tokens: [...jsonTokens, 'F32', 'BF16', 'data_offsets', 'dtype', 'shape', '__metadata__'],
    mutators: [
      (seed, random) => {
        const [head, data] = splitSafetensors(seed);
        return safetensors(text(byStructure(head, random)), data);
      },
      (seed, _, generic) => {
        const [head, data] = splitSafetensors(seed);
        return safetensors(text(generic(head)), data);
      },
    ],
    run: file(readSafetensors),
  },
  zip: {
    seeds: () => [...torchFiles, zipSync({ a: bytes('1'), b: bytes('22') }, { level: 0 })],
    tokens: ['PK\u0001\u0002', 'PK\u0003\u0004', 'PK\u0005\u0006', 'PK\u0006\u0006', 'PK\u0006\u0007'],
    run: file(async (path) => {
      const archive = await ZipArchive.open(path);
      try {
        for (const member of archive.members.values()) await archive.read(member);
      } finally {
        await archive.close();
      }
    }),
  },
  pickle: {
    seeds: () => pickles,
    tokens: [
      '(',
      ')',
      'c__builtin__\neval\n',
      'ccollections\nOrderedDict\n',
      'R',
      'b',
      '.',
      'Q',
      'I1\n',
      'L5L\n',
      '2',
      '0',
      't',
      '}',
      ']',
      'e',
      'u',
    ],
    run: async (input) => void readPickle(input, 'fuzzed', torchRules),
  },
  torch_file: {
    seeds: () => torchFiles,
    mutators: [byPickle],
    run: file(async (path) => {
      const opened = await TorchFile.open(path);
      await opened.close();
    }),
  },
  fairseq_checkpoint: {
    seeds: () => torchFiles,
    mutators: [byPickle],
    run: file((path) => readFairseqCheckpoint(path)),
  },
  fairseq_options: {
    seeds: () => [
      json({ args: Object.fromEntries(options) }),
      json({ cfg: { model: Object.fromEntries(options), task: {} } }),
    ],
    mutators: [byStructure],
    run: async (input) => {
      let value;
      try {
        value = JSON.parse(text(input));
      } catch {
        return;
      }
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
      const found = optionsOf(asPickle(value), 'fuzzed');
      modelOf(found, new Map(), 'fuzzed');
    },
  },
  tar: {
    seeds: () => [tar, new Uint8Array(gzipSync(tar))],
    tokens: ['ustar', '../', '/etc/passwd', '00000000000\0', '77777777777\0'],
    mutators: [byTarHeader, insideGzip],
    run: file((path) => readTarMembers(path, ['de-en/a', 'de-en/b'])),
  },
};
