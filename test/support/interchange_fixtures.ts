// Checkpoints that fairseq itself saved, and what other programs made of our exports: see test/fixtures/interchange.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import { type StoredMember, zipStored } from '../../lib/interchange/torch_file/zip_writer.js';

const directory = fileURLToPath(new URL('../fixtures/interchange/', import.meta.url));

export const interchangePath = (name: string) => directory + name;

export const recordedJson = <T>(name: string): T =>
  JSON.parse(readFileSync(interchangePath(name), 'utf8')) as T;

/** The sentences of the trained model, as ids. */
export const trainedSources = (
  JSON.parse(
    readFileSync(fileURLToPath(new URL('../fixtures/fairseq/trained_beam.json', import.meta.url)), 'utf8'),
  ) as { splits: { valid: { source: number[][] } } }
).splits.valid.source.map((ids) => Int32Array.from(ids));

/** The run directory that fork.pt becomes. */
export const importFork = (out: string) =>
  importFairseq({
    checkpoint: interchangePath('fork.pt'),
    dict: interchangePath('dict.txt'),
    codes: interchangePath('codes'),
    lowercase: true,
    out,
  });

/** A zip archive of stored members as bytes. */
export const zipOf = (members: StoredMember[], limit?: number) =>
  Buffer.concat([...zipStored(members, limit)]);

/** Writes a file of torch.save with this pickle and these storages. */
export async function writeTorch(
  path: string,
  pickle: Uint8Array,
  storages: Record<string, Uint8Array> = {},
): Promise<string> {
  const members = Object.entries(storages).map(([key, bytes]) => ({ name: `m/data/${key}`, bytes }));
  await writeFile(path, zipOf([{ name: 'm/data.pkl', bytes: pickle }, ...members]));
  return path;
}

/** Pieces as one. */
export async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}
