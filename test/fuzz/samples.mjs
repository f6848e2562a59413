// What the targets share: samples, mutations by structure, and how a parser is given its input.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { mutateJson } from './mutate.mjs';

export const fixture = (path) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))));
export const bytes = (text) => new TextEncoder().encode(text);
export const text = (data) => new TextDecoder().decode(data);
export const json = (value) => bytes(JSON.stringify(value));
export const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/** The mutation of a JSON text by its structure. */
export const byStructure = (seed, random) => {
  let value;
  try {
    value = JSON.parse(text(seed));
  } catch {
    return null;
  }
  for (let times = 1 + random.below(3); times > 0; times--) value = mutateJson(value, random);
  return json(value);
};

/** One line of a text, as the format's own tokens or another line. */
export const byLines = (seed, random, generic) => {
  const lines = text(seed).split('\n');
  const at = random.below(lines.length);
  lines[at] = random.pick([
    () => text(generic(bytes(lines[at]))),
    () => random.pick(lines),
    () => `${lines[at]} ${random.pick(lines)}`,
    () => '',
  ])();
  return bytes(lines.join('\n'));
};

export const file = (read) => async (input, world) => {
  writeFileSync(world, input);
  await read(world);
};

/** A directory in which `name` is the input; `others` lie beside it. */
export const inDirectory = (name, read, others = {}) => ({
  prepare: (world) => {
    for (const [path, content] of Object.entries(others)) {
      mkdirSync(join(world, path, '..'), { recursive: true });
      writeFileSync(join(world, path), content);
    }
    mkdirSync(join(world, name, '..'), { recursive: true });
    writeFileSync(join(world, name), '');
  },
  run: async (input, world) => {
    writeFileSync(join(world, name), input);
    await read(world);
  },
});

export const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  'null',
  'true',
  '1e5',
  '\\u0000',
  '"__proto__":',
];

/** What is packed, changed. */
export const insideGzip = (seed, _, generic) => {
  if (seed[0] !== 0x1f) return null;
  return new Uint8Array(gzipSync(generic(new Uint8Array(gunzipSync(seed)))));
};
