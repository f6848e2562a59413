import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { linesAsWritten } from '../../text/lines/line_splitter.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import type { Pairs } from '../pairs.js';
import { fileSize, readTarMembers } from '../tar_archive.js';

/** What prepare-iwslt14.sh reads, and what its grep and sed leave of it. */

export const iwslt14Languages = { source: 'de', target: 'en' } as const;

/** The sets that make up the test split, in order. */
export const iwslt14TestSets = [
  'TED.dev2010',
  'TEDX.dev2012',
  'TED.tst2010',
  'TED.tst2011',
  'TED.tst2012',
] as const;

export interface Iwslt14Text {
  train: Pairs<string>;
  /** The sets of the test split, one after the other. */
  test: Pairs<string>;
}

export interface Iwslt14Reading {
  signal?: AbortSignal | undefined;
  /** Called with the bytes of the archive (or the files of the directory) that are read, and all it has. */
  onProgress?: ((done: number, total: number, unit: 'bytes' | 'files') => void) | undefined;
  /** Bytes that the archive may hold once unpacked. */
  maxUnpackedBytes?: number | undefined;
}

/** The lines of a member, and what an error calls it. */
interface Member {
  name: string;
  lines: string[];
}

interface Segment {
  id: string;
  text: string;
  /** Where it stands, for errors. */
  place: string;
}

/**
 * Reads the parallel text of the archive de-en.tgz, or of the directory de-en that was in it: of the training text
 * the lines without addresses, ids and keywords of talks; of the test sets the segments.
 *
 * Whatever prepare-iwslt14.sh takes is taken: other tags in the training text, entities, text around a segment. What
 * would shift one side against the other or cut it off unseen is refused: sides of different length, segments that are
 * not whole in one line or whose ids differ between the sides, and NUL, at which grep stops.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY, INVALID_UTF8, MALFORMED_FILE, LINE_COUNT_MISMATCH,
 *   naming member and line; ABORTED.
 */
export async function readIwslt14(archive: string, reading: Iwslt14Reading = {}): Promise<Iwslt14Text> {
  const { source, target } = iwslt14Languages;
  const trainMember = (lang: string) => `de-en/train.tags.de-en.${lang}`;
  const testMember = (set: string, lang: string) => `de-en/IWSLT14.${set}.de-en.${lang}.xml`;
  const wanted = [
    ...[source, target].map(trainMember),
    ...iwslt14TestSets.flatMap((set) => [testMember(set, source), testMember(set, target)]),
  ];
  const bytes = await readMembers(archive, wanted, reading);
  const member = (name: string) => linesOfMember(bytes.get(name)!);

  const train = trainingText(member(trainMember(source)), member(trainMember(target)));
  const sets = iwslt14TestSets.map((set) =>
    testText(member(testMember(set, source)), member(testMember(set, target))),
  );
  return {
    train,
    test: { source: sets.flatMap((set) => set.source), target: sets.flatMap((set) => set.target) },
  };
}

type Content = { name: string; bytes: Uint8Array };

async function readMembers(
  archive: string,
  wanted: string[],
  { signal, onProgress, maxUnpackedBytes }: Iwslt14Reading,
): Promise<Map<string, Content>> {
  const members = new Map<string, Content>();
  const size = await fileSize(archive);
  if (size === null) {
    for (const [i, member] of wanted.entries()) {
      const path = join(archive, basename(member));
      const bytes = await readFile(path).catch((error: unknown) => {
        throw fileError(error, path, 'read');
      });
      members.set(member, { name: path, bytes });
      onProgress?.(i + 1, wanted.length, 'files');
    }
    return members;
  }
  const found = await readTarMembers(archive, wanted, {
    signal,
    onProgress: (done) => onProgress?.(done, size, 'bytes'),
    ...(maxUnpackedBytes !== undefined && { limits: { archive: maxUnpackedBytes } }),
  });
  for (const [member, bytes] of found) members.set(member, { name: `${archive}: ${member}`, bytes });
  return members;
}

function linesOfMember({ name, bytes }: Content): Member {
  const lines = linesAsWritten(bytes, name);
  if (bytes.includes(0)) {
    const line = lines.findIndex((text) => text.includes('\0')) + 1;
    throw new RdropError('MALFORMED_FILE', `${name}:${line}: expected text, got a NUL character`);
  }
  return { name, lines };
}

const ofTalk = /<url>|<talkid>|<keywords>/;
/** One after the other: what is left when a tag is gone may be another. */
const emptied = ['<title>', '</title>', '<description>', '</description>'];

/** The lines that are left, without the tags of titles and descriptions. */
function trainingText(source: Member, target: Member): Pairs<string> {
  const untagged = (line: string) => emptied.reduce((text, tag) => text.replaceAll(tag, ''), line);
  const text = ({ lines }: Member) => lines.filter((line) => !ofTalk.test(line)).map(untagged);
  const pairs = { source: text(source), target: text(target) };
  const [a, b] = [pairs.source.length, pairs.target.length];
  if (a !== b) {
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      'expected the same number of lines on both sides besides those of <url>, <talkid> and <keywords>, ' +
        `${source.name} has ${a}, ${target.name} has ${b}`,
    );
  }
  return pairs;
}

/** What sed's \s matches in a UTF-8 locale of glibc: without the spaces that do not break, and U+0085. */
const sedSpace = '[\\t\\v\\f\\r \\u1680\\u2000-\\u2006\\u2008-\\u200a\\u2028\\u2029\\u205f\\u3000]';
const opening = new RegExp(`<seg id="[0-9]*">${sedSpace}*`, 'gu');
const oneSpace = new RegExp(`^${sedSpace}$`, 'u');
const closing = '</seg>';

/** sed 's/\s*<\/seg>\s*/ /g'; as a regular expression it would take quadratic time on inner runs of spaces. */;
function withoutClosing(line: string): string {
  let result = '';
  let done = 0;
  for (let tag = line.indexOf(closing); tag >= 0; tag = line.indexOf(closing, done)) {
    let start = tag;
    while (start > done && oneSpace.test(line[start - 1]!)) start--;
    result += line.slice(done, start);
    done = tag + closing.length;
    while (done < line.length && oneSpace.test(line[done]!)) done++;
  }
  return result + line.slice(done);
}

const anyTag = /<\/?seg(?![A-Za-z0-9_-])/g;
const whole = /<seg id="([0-9]+)">.*<\/seg>/su;

/** The text of segments: without tags and the space around, typographic apostrophes as plain ones. */
function testText(source: Member, target: Member): Pairs<string> {
  const [a, b] = [segmentsOf(source), segmentsOf(target)];
  const i = a.findIndex((segment, at) => segment.id !== b[at]?.id);
  const at = i < 0 ? Math.min(a.length, b.length) : i;
  if (a.length !== b.length) {
    const first = a[at]?.place ?? b[at]!.place;
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `expected the same segments on both sides, ${source.name} has ${a.length}, ${target.name} has ${b.length}; ` +
        `they part at ${first}`,
    );
  }
  if (i >= 0) {
    const [one, other] = [a[i]!, b[i]!];
    throw new RdropError(
      'MALFORMED_FILE',
      `${other.place}: expected a segment with the id of ${one.place}, ${one.id}, got ${other.id}`,
    );
  }
  return { source: a.map(({ text }) => text), target: b.map(({ text }) => text) };
}

function segmentsOf({ name, lines }: Member): Segment[] {
  const segments: Segment[] = [];
  lines.forEach((line, i) => {
    const tags = line.match(anyTag) ?? [];
    if (tags.length === 0) return;
    const place = `${name}:${i + 1}`;
    const id = tags.length === 2 ? whole.exec(line)?.[1] : undefined;
    if (id === undefined) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${place}: expected one <seg id="NUMBER">…</seg> in the line, got ${JSON.stringify(line.slice(0, 80))}`,
      );
    }
    const text = withoutClosing(line.replace(opening, '')).replaceAll('’', "'");
    segments.push({ id, text, place });
  });
  if (segments.length === 0) {
    throw new RdropError('MALFORMED_FILE', `${name}: expected lines <seg id="NUMBER">…</seg>, got none`);
  }
  return segments;
}
