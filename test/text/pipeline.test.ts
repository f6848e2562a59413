import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig, textSchema } from '../../lib/options/index.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { Bpe } from '../../lib/text/pieces/bpe.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { scratchDirectory } from '../support/scratch.js';

const english = ["It's (very) cheap: $5 a & b.", 'So cheap, so good!'];

function pipelineOf(options: object): TextPipeline {
  const config = parseConfig(textSchema, { source: 'de', target: 'en', ...options }, 'text');
  const bare = new TextPipeline({ ...config, bpe: 0 }, Dictionary.parse('a 1\n', 'dict.txt'), null);
  const lines = english.map((line) => bare.segment(line, 'target'));
  const bpe = config.bpe > 0 ? Bpe.learn(lines, config.bpe) : null;
  const pieces = bpe === null ? lines : lines.map((line) => bpe.segment(line));
  return new TextPipeline(config, Dictionary.build(pieces), bpe);
}

describe('TextPipeline', () => {
  it.each([{ bpe: 10 }, { bpe: 0 }, { tokenizer: 'none', bpe: 10 }, { tokenizer: 'none', bpe: 0 }])(
    'decodes what it encodes: %j',
    (options) => {
      const pipeline = pipelineOf(options);
      for (const line of english) {
        const tokens = pipeline.encode(line, 'target');
        expect(tokens.at(-1)).toBe(2);
        expect(tokens).not.toContain(3);
        expect(pipeline.decode(tokens)).toBe(line);
      }
    },
  );

  it('uses the rules of each side', () => {
    const pipeline = pipelineOf({ bpe: 0 });
    expect(pipeline.segment("geht's", 'source')).toBe('geht &apos; s');
    expect(pipeline.segment("it's", 'target')).toBe('it &apos;s');
    const tokens = pipeline.dictionary.encode('cheap &apos;s');
    expect(pipeline.decode(tokens, 'target')).toBe("cheap's");
    expect(pipeline.decode(tokens, 'source')).toBe("cheap 's");
  });

  it('lower-cases before it normalizes', () => {
    const pipeline = pipelineOf({ bpe: 0, lowercase: true, normalize: true });
    // The Kelvin sign is a letter of ASCII only once it is in lower case.
    expect(pipeline.segment('\u212a’s', 'target')).toBe('k &apos;s');
  });

  it('lower-cases the tokens when asked to', () => {
    const before = pipelineOf({ bpe: 0, lowercase: true });
    const after = pipelineOf({ bpe: 0, lowercase: 'after' });
    // With its capital "No." is an abbreviation before a number.
    expect(before.segment('No. 5', 'target')).toBe('no . 5');
    expect(after.segment('No. 5', 'target')).toBe('no. 5');
    const both = pipelineOf({ bpe: 0, lowercase: 'after', normalize: true, tokenizer: 'none' });
    expect(both.segment('\u212a’S', 'target')).toBe('k"s');
  });

  it('writes, copies and loads its files', async () => {
    for (const bpe of [10, 0]) {
      const [from, to] = ['a', 'b'].map((name) => join(scratchDirectory(), name)) as [string, string];
      for (const directory of [from, to]) mkdirSync(directory);
      const pipeline = pipelineOf({ bpe });
      await pipeline.write(from);
      await TextPipeline.copy(from, to);
      const names = TextPipeline.fileNames(pipeline.config).sort();
      expect(names).toEqual(
        ['dict.txt', 'codes', 'text.json'].filter((name) => bpe > 0 || name !== 'codes').sort(),
      );
      expect(readdirSync(to).sort()).toEqual(names);
      for (const name of names) expect(readFileSync(join(to, name))).toEqual(readFileSync(join(from, name)));
      const loaded = await TextPipeline.load(to);
      expect(loaded.config).toEqual(pipeline.config);
      expect(loaded.encode(english[0]!, 'target')).toEqual(pipeline.encode(english[0]!, 'target'));
    }
  });

  it('names the file that is missing or broken', async () => {
    const directory = scratchDirectory();
    await pipelineOf({ bpe: 10 }).write(directory);
    const fault = (code: string, message: string) =>
      expect.objectContaining({ code, message: expect.stringContaining(message) });
    writeFileSync(join(directory, 'codes'), '#version: 0.2\na b c\n');
    await expect(TextPipeline.load(directory)).rejects.toThrow(fault('MALFORMED_FILE', 'codes:2'));
    writeFileSync(join(directory, 'dict.txt'), 'a 1\na 1\n');
    await expect(TextPipeline.load(directory)).rejects.toThrow(fault('MALFORMED_FILE', 'dict.txt:2'));
    const empty = scratchDirectory();
    await expect(TextPipeline.load(empty)).rejects.toThrow(fault('FILE_NOT_FOUND', 'text.json'));
    await expect(TextPipeline.copy(directory, join(empty, 'no'))).rejects.toThrow(
      fault('FILE_UNWRITABLE', 'no'),
    );
  });
});
