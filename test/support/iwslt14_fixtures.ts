// A small archive like that of IWSLT'14, and what the original recipe made of it: test/fixtures/iwslt14/record.sh.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from 'tar';
import { readTarMembers } from '../../lib/data/tar_archive.js';
import { scratchDirectory } from './scratch.js';

const directory = fileURLToPath(new URL('../fixtures/iwslt14', import.meta.url));

export const iwslt14Fixture = (name: string) => join(directory, name);

export const iwslt14Archive = iwslt14Fixture('de-en.tar.gz');

export const recordedIwslt14 = (name: string) => readFileSync(iwslt14Fixture(name), 'utf8');

/** The recorded hashes of a list, by the name of the original's file. */
export const iwslt14Hashes = (list: 'stages' | 'prepared') =>
  new Map(
    recordedIwslt14(`${list}.sha256`)
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/\s+/) as [string, string])
      .map(([hash, name]) => [name, hash]),
  );

const sets = ['TED.dev2010', 'TEDX.dev2012', 'TED.tst2010', 'TED.tst2011', 'TED.tst2012'];
const memberNames = ['de', 'en'].flatMap((lang) => [
  `de-en/train.tags.de-en.${lang}`,
  ...sets.map((set) => `de-en/IWSLT14.${set}.de-en.${lang}.xml`),
]);

export type Members = Record<string, string | Uint8Array | null>;

/** The members of the small archive, with changes; null takes one out. */
export async function iwslt14Members(changes: Members = {}): Promise<Record<string, string | Uint8Array>> {
  const members: Members = {
    ...Object.fromEntries(await readTarMembers(iwslt14Archive, memberNames)),
    ...changes,
  };
  return Object.fromEntries(Object.entries(members).filter(([, content]) => content !== null)) as Record<
    string,
    string | Uint8Array
  >;
}

/** Writes members as files into a new directory, and gives the directory. */
export function unpackedMembers(members: Record<string, string | Uint8Array>): string {
  const root = scratchDirectory();
  for (const [name, content] of Object.entries(members)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}

/** Packs members into an archive in a new directory, in the order given, and gives its path. */
export function packedMembers(
  members: Record<string, string | Uint8Array>,
  { gzip = true, prefix = '' } = {},
): string {
  const file = join(scratchDirectory(), 'de-en.tgz');
  const names = Object.keys(members).map((name) => prefix + name);
  create({ file, cwd: unpackedMembers(members), gzip, portable: true, sync: true }, names);
  return file;
}
