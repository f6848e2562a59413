import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TaskTextConfig } from '../../../lib/options/tasks/text.js';
import { Dictionary, unk } from '../../../lib/text/dictionary.js';
import { Bpe } from '../../../lib/text/pieces/bpe.js';
import { characterOf, charactersOf } from '../../../lib/text/tasks/characters.js';
import { readTaskTextConfig, TaskText, taskOfDirectory } from '../../../lib/text/tasks/task_text.js';
import type { TextTokenizer } from '../../../lib/text/tasks/text_tokenizer.js';
import { scratchDirectory } from '../../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

/** Every kind of white space, names of pieces as text, pairs of surrogates, marks, NUL. */
const hostile =
  'a b\tc\u00a0d\u2028e\u3000f\u0085g\u001ch\u000bi\ufeffj\u200bk\u0000l\u{1f600}m<space>n<unk>o<U+00A0>e\u0301 \r x@@ ';

const textOf = (config: Partial<TaskTextConfig>, lines: string[], bpe: Bpe | null = null) => {
  const whole: TaskTextConfig = {
    task: 'language-model',
    pieces: 'words',
    lowercase: false,
    mode: 'stream',
    ...config,
  };
  const cut = new TaskText(whole, Dictionary.build([]), bpe);
  return new TaskText(whole, Dictionary.build([...lines.map((line) => cut.segment(line)), '<newline>']), bpe);
};

describe('pieces that are characters', () => {
  it('are one character each, or a name, and give their text back', () => {
    const pieces = charactersOf(hostile).split(' ');
    expect(pieces.length).toBe([...hostile].length);
    expect(pieces.map(characterOf).join('')).toBe(hostile);
    expect(charactersOf('a b\t\n\u00a0')).toBe('a <space> b <tab> <newline> <U+00A0>');
    // No piece is split or lost on its way through the files.
    const dictionary = Dictionary.build([pieces.join(' ')]);
    const again = Dictionary.parse(dictionary.toString(), 'dict.txt');
    expect(again.symbols).toEqual(dictionary.symbols);
    expect(again.encode(pieces.join(' ')).includes(unk)).toBe(false);
    expect(again.encode(pieces.join(' ')).length).toBe(pieces.length + 1);
  });

  it('of a stream have a line end where the text has one, and no eos', () => {
    const text = textOf({ pieces: 'characters' }, [hostile]);
    for (const given of [hostile, `${hostile}\n`, `\n\n${hostile}\n${hostile}`, '']) {
      const ids = text.stream(given);
      expect(ids.length).toBe([...given].length);
      expect(text.decode(ids)).toBe(given);
    }
  });

  it('of lines end in eos, which decodes as a line end', () => {
    const text = textOf({ pieces: 'characters', mode: 'lines' }, ['ab c']);
    expect([...text.stream('ab\nc')]).toEqual([
      ...[text.dictionary.id('a'), text.dictionary.id('b'), 2, text.dictionary.id('c')],
    ]);
    expect(text.decode(text.stream('ab\nc'))).toBe('ab\nc');
  });
});

describe('words and pieces of byte pair encoding', () => {
  it('are tokens of Moses where a language is given, and come back as text', () => {
    const line = `Isn't it "good", he said (twice) & left.`;
    const text = textOf({ lang: 'en' }, [line]);
    expect(text.segment(line)).toBe('Isn &apos;t it &quot; good &quot; , he said ( twice ) &amp; left .');
    expect(text.decode(text.stream(`${line}\n${line}`))).toBe(`${line}\n${line}`);
    const bpe = Bpe.learn(['lower low lowest'], 3);
    const cut = textOf({ pieces: 'bpe:3', lowercase: true }, ['LOWER low'], bpe);
    expect(cut.segment('LOWER low')).toBe(bpe.segment('lower low'));
    expect(cut.decode(cut.stream('Lower\nlow\n'))).toBe('lower\nlow\n');
    expect(cut.stream('low\n').at(-1)).toBe(2);
    expect(cut.stream('low').includes(2)).toBe(false);
  });

  it('make the sequences of RoBERTa', () => {
    const text = textOf({ task: 'classification', mode: undefined, pairs: true }, ['a b', 'c']);
    const [a, b, c] = ['a', 'b', 'c'].map((word) => text.dictionary.id(word));
    const { tokens, types } = text.encode('a b', 'c');
    expect([...tokens]).toEqual([0, a, b, 2, 2, c, 2]);
    expect([...types]).toEqual([0, 0, 0, 0, 1, 1, 1]);
    expect([...text.encode('b').tokens]).toEqual([0, b, 2]);
    expect([...text.encode('b').types]).toEqual([0, 0, 0]);
    // A word that is spelled like a special must not end a text.
    expect([...text.encode('</s> <pad>').tokens]).toEqual([0, unk, unk, 2]);
  });
});

describe('a tokenizer of its own', () => {
  const tokenizer = (types: number[]): TextTokenizer => ({
    size: 9,
    encode: () => ({ ids: types.map((_, at) => at), types }),
    decode: (ids) => `decoded ${[...ids].join(' ')}`,
    write: async () => {},
  });
  const config: TaskTextConfig = {
    task: 'classification',
    pieces: 'huggingface',
    lowercase: false,
    pairs: true,
  };

  it('gives ids, kept apart by their types', () => {
    const text = TaskText.ofTokenizer(config, tokenizer([0, 0, 0, 1, 1]));
    expect(text.vocabSize).toBe(9);
    expect(text.stored('x', 'y')).toEqual({ text: '0 1 2', second: '3 4' });
    expect([...text.encode('x', 'y').types]).toEqual([0, 0, 0, 1, 1]);
    expect([...text.encode('x', 'y').tokens]).toEqual([0, 1, 2, 3, 4]);
    expect(text.decode(Int32Array.of(3, 4))).toBe('decoded 3 4');
    const oneType = TaskText.ofTokenizer(config, tokenizer([0, 0, 0]));
    expect(oneType.stored('x', 'y')).toEqual({ text: '0 1 2', second: '' });
  });

  it('is refused where types cannot be kept, as are ids that are none', () => {
    const mixed = TaskText.ofTokenizer(config, tokenizer([0, 1, 0]));
    expect(() => mixed.stored('x', 'y')).toThrow(fault('NOT_EXPRESSIBLE', 'token types 0, then 1'));
    const text = TaskText.ofTokenizer(config, tokenizer([0]));
    expect(() => text.sequence({ text: '1 9', second: '' })).toThrow(
      fault('MALFORMED_FILE', 'from 0 to 8, got "9"'),
    );
    expect(() => text.sequence({ text: '-1', second: '' })).toThrow(fault('MALFORMED_FILE', 'got "-1"'));
  });
});

describe('the files of a text', () => {
  it('are written, copied and read', async () => {
    const root = scratchDirectory();
    const bpe = Bpe.learn(['lower low lowest'], 3);
    const text = textOf({ pieces: 'bpe:3', lang: 'en' }, ['lower low'], bpe);
    await text.write(root);
    const copy = join(root, 'copy');
    mkdirSync(copy);
    await TaskText.copy(root, copy);
    const again = await TaskText.load(copy);
    expect(again.config).toEqual(text.config);
    expect([...again.stream('lowest lower')]).toEqual([...text.stream('lowest lower')]);
    expect(await taskOfDirectory(copy)).toBe('language-model');
    expect(readFileSync(join(copy, 'text.json'), 'utf8')).toBe(readFileSync(join(root, 'text.json'), 'utf8'));
  });

  it.each([
    ['{"version":1,"task":"translate"}', 'task'],
    ['{"version":2,"task":"regression","pieces":"words","lowercase":false}', 'version: expected 1, got 2'],
    ['{"version":1,"task":"regression","pieces":"bpe:0","lowercase":false}', 'text.pieces: expected "words"'],
    ['{"version":1,"task":"regression","lowercase":false}', 'pieces'],
    ['{"version":1,"task":"language-model","pieces":"words","lowercase":false}', 'mode: expected "stream"'],
    [
      '{"version":1,"task":"regression","pieces":"words","lowercase":false,"mode":"lines"}',
      'mode: has an effect',
    ],
    ['{"version":1,"task":"regression","pieces":"words","lowercase":false,"bpe":1}', 'bpe: unknown option'],
    ['[]', 'expected'],
  ])('are refused where text.json is %s', async (json, message) => {
    const root = scratchDirectory();
    writeFileSync(join(root, 'text.json'), json);
    await expect(readTaskTextConfig(root)).rejects.toThrow(fault('MALFORMED_FILE', message));
  });

  it('are refused where a dictionary of characters holds other pieces', async () => {
    const root = scratchDirectory();
    await textOf({ pieces: 'characters' }, ['ab']).write(root);
    writeFileSync(join(root, 'dict.txt'), 'a 1\nbc 1\n');
    await expect(TaskText.load(root)).rejects.toThrow(
      fault('MALFORMED_FILE', 'dict.txt: expected characters'),
    );
  });

  it('say translation where no task is named', async () => {
    const root = scratchDirectory();
    writeFileSync(join(root, 'text.json'), '{"version":1,"source":"de","target":"en"}');
    expect(await taskOfDirectory(root)).toBe('translation');
  });
});
