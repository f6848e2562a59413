import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { packageRoot } from '../../lib/native/binding.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { Trainer } from '../../lib/training/trainer.js';
import { writeFileAtomically } from '../../lib/util/files/files.js';
import { scratchDirectory } from '../support/scratch.js';
import { tinyOptions } from '../training/tiny_run.js';

/** A prepared directory, and what makes it. */
async function prepared() {
  const root = scratchDirectory();
  for (const side of ['de', 'en']) writeFileSync(join(root, `text.${side}`), 'a b\nb c\nc a b\n');
  const out = join(root, 'out');
  const text = { train: join(root, 'text'), valid: join(root, 'text'), source: 'de', target: 'en', bpe: 0 };
  const prepare = () => prepareCorpus({ ...text, tokenizer: 'none', ratio: 0, out, overwrite: true });
  await prepare();
  const beside = () => readdirSync(root).filter((name) => name.startsWith('out.'));
  return { root, out, prepare, beside };
}

/** A process that has claimed a name beside a path and made a directory there, until it is killed. */
async function writer(path: string, ending: 'part' | 'old') {
  const module = pathToFileURL(join(packageRoot, 'dist/util/files/part_files.js')).href;
  const program = `const { claimBeside } = await import(${JSON.stringify(module)});
    const { path } = claimBeside(${JSON.stringify(path)}, '${ending}');
    (await import('node:fs')).mkdirSync(path);
    process.stdout.write(path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [name] = (await once(child.stdout, 'data')) as [Buffer];
  const kill = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { name: name.toString(), kill };
}

describe('a process that ended between the two renames of a replacement', () => {
  it.each(['prepare', 'text', 'train'] as const)(
    'leaves the old directory, which %s brings back',
    async (how) => {
      const { root, out, prepare, beside } = await prepared();
      renameSync(out, `${out}.0123abcd.old`);
      if (how === 'prepare') await prepare();
      else if (how === 'text') expect((await TextPipeline.load(out)).dictionary.size).toBe(8);
      else (await Trainer.create({ ...tinyOptions(out, join(root, 'run')), maxUpdates: 1 })).dispose();
      expect(readdirSync(out)).toContain('text.json');
      expect(beside()).toEqual([]);
    },
  );

  it('without overwrite has its old directory back as well', async () => {
    const { root, out, beside } = await prepared();
    renameSync(out, `${out}.0123abcd.old`);
    const again = prepareCorpus({
      train: join(root, 'text'),
      valid: join(root, 'text'),
      source: 'de',
      target: 'en',
      out,
    });
    await expect(again).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining('overwrite'),
    });
    expect(readdirSync(out)).toContain('text.json');
    expect(beside()).toEqual([]);
  });

  it('the old one goes where the new one stands, and what is not ours stays', async () => {
    const { out, prepare, beside } = await prepared();
    mkdirSync(`${out}.89abcdef.old`);
    writeFileSync(join(`${out}.89abcdef.old`, 'mine'), '');
    mkdirSync(`${out}.01234567.old`);
    writeFileSync(join(`${out}.01234567.old`, 'text.json'), '{}');
    writeFileSync(`${out}.notes.old`, '');
    await prepare();
    expect(beside().sort()).toEqual(['out.89abcdef.old', 'out.notes.old']);
  });

  it('is not touched while its writer lives', async () => {
    const { out, beside } = await prepared();
    const { name, kill } = await writer(out, 'old');
    try {
      writeFileSync(join(name, 'text.json'), readFileSync(join(out, 'text.json')));
      renameSync(out, `${dirname(out)}/elsewhere`);
      await expect(TextPipeline.load(out)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      expect(existsSync(name)).toBe(true);
    } finally {
      await kill();
    }
    await expect(TextPipeline.load(out)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('dict.txt'),
    });
    expect(beside()).toEqual([]);
  });
});

describe('what overwrite replaces', () => {
  it('is a prepared directory alone, not a run that has a text.json as well', async () => {
    const { root, out, prepare, beside } = await prepared();
    const run = join(root, 'run');
    (await Trainer.create({ ...tinyOptions(out, run), maxUpdates: 1 })).dispose();
    const files = readdirSync(run);
    expect(files).toContain('text.json');
    const text = { train: join(root, 'text'), valid: join(root, 'text'), source: 'de', target: 'en', bpe: 0 };
    const replacing = prepareCorpus({ ...text, tokenizer: 'none', ratio: 0, out: run, overwrite: true });
    await expect(replacing).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringMatching(/run: expected a new or prepared directory.*config\.json/),
    });
    expect(readdirSync(run)).toEqual(files);
    writeFileSync(join(out, 'notes.md'), 'mine');
    await expect(prepare()).rejects.toThrow(/holds other files \(notes\.md\)/);
    expect(readFileSync(join(out, 'notes.md'), 'utf8')).toBe('mine');
    expect(beside()).toEqual([]);
  });
});

describe('what a writer left beside its place', () => {
  it('goes when the writer is dead, and stays while it lives', async () => {
    const { root, out, prepare, beside } = await prepared();
    const file = join(root, 'file');
    const [directory, text] = [await writer(out, 'part'), await writer(file, 'part')];
    try {
      await prepare();
      await writeFileAtomically(file, 'x');
      expect(existsSync(directory.name) && existsSync(text.name)).toBe(true);
    } finally {
      await directory.kill();
      await text.kill();
    }
    await prepare();
    await writeFileAtomically(file, 'x');
    expect(existsSync(directory.name) || existsSync(text.name)).toBe(false);
    expect(beside()).toEqual([]);
  });

  it('goes after a day when the writer is unknown', async () => {
    const { out, prepare, beside } = await prepared();
    for (const name of ['00000000', '11111111', 'k3f-9a-0-0123ab.22222222']) mkdirSync(`${out}.${name}.part`);
    const old = Date.now() / 1000 - 25 * 3600;
    utimesSync(`${out}.11111111.part`, old, old);
    utimesSync(`${out}.k3f-9a-0-0123ab.22222222.part`, old, old);
    await prepare();
    expect(beside()).toEqual(['out.00000000.part']);
  });
});
