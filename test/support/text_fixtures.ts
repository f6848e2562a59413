// What the original programs make of lines: test/fixtures/text/record.sh recorded it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = join(root, 'test/fixtures/text');

export const textFixturePath = (name: string) => join(directory, name);

export const recordedText = (name: string) => readFileSync(textFixturePath(name), 'utf8');

const linesOf = (text: string) => text.split('\n').slice(0, -1);

export const recordedLines = (name: string) => linesOf(recordedText(name));

/** The directory of the corpus that is not ours to ship, or null. */
export const multi30k = [join(root, '../shared/data/multi30k')].find((path) => existsSync(path)) ?? null;

export function multi30kLines(split: string, lang: string): string[] {
  return linesOf(gunzipSync(readFileSync(join(multi30k!, `${split}.${lang}.gz`))).toString('utf8'));
}

/** The hashes in a recorded list, by name. */
export function recordedHashes(name: string): Map<string, string> {
  const lines = recordedLines(name).map((line) => line.split(/\s+/) as [string, string]);
  return new Map(lines.map(([hash, name]) => [name, hash]));
}

/** Of what the programs make of Multi30k. */
export const multi30kHashes = () => recordedHashes('multi30k.sha256');

export const sha256 = (lines: string[]) =>
  createHash('sha256')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex');
