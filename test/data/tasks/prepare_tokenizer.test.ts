// Preparing with a tokenizer.json: what is read back is what the tokenizer makes of the raw text.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareTask } from '../../../lib/data/tasks/prepare_task.js';
import { loadSequences } from '../../../lib/data/tasks/task_splits.js';
import { TaskText } from '../../../lib/text/tasks/task_text.js';
import { loadTextTokenizer } from '../../../lib/text/tasks/text_tokenizer.js';
import { writeFiles } from '../../support/prepared_files.js';
import { scratchDirectory } from '../../support/scratch.js';

const fixtures = join(import.meta.dirname, '../../fixtures/huggingface/tokenizers');
const names = readdirSync(fixtures).filter((name) => name !== 'encodings.json' && name.endsWith('.json'));
const { strings, pairs } = JSON.parse(readFileSync(join(fixtures, 'encodings.json'), 'utf8')) as {
  strings: string[];
  pairs: [string, string][];
};
const oneLine = (text: string) => text.trim() !== '' && !/[\n\r]/.test(text);

function tokenizerDirectory(root: string, name: string): string {
  const directory = join(root, 'tokenizer');
  mkdirSync(directory);
  writeFileSync(join(directory, 'tokenizer.json'), readFileSync(join(fixtures, name)));
  return directory;
}

describe.each(names)('%s', (name) => {
  it.each([false, true])('pairs %s', async (isPairs) => {
    const root = scratchDirectory();
    const directory = tokenizerDirectory(root, name);
    const rows = (isPairs ? pairs : strings.map((text): [string, undefined] => [text, undefined]))
      .filter(([a, b]) => oneLine(a) && (b === undefined || oneLine(b)))
      .map(([text, second], at) => ({ text, second, label: at % 2 }));
    writeFiles(root, { train: rows.map((row) => JSON.stringify(row)) });
    const train = join(root, 'train');
    const out = join(root, 'data');
    const result = await prepareTask({
      ...{ task: 'classification', format: 'jsonl', train, valid: train, test: train, out },
      ...{ pairs: isPairs, pieces: 'huggingface', tokenizer: directory },
    });
    const tokenizer = await loadTextTokenizer(directory);
    const text = await TaskText.load(out);
    expect([result.vocabSize, text.vocabSize]).toEqual([tokenizer.size, tokenizer.size]);
    expect(existsSync(join(out, 'dict.txt'))).toBe(false);
    const { sequences, tokenTypes } = await loadSequences(out, 'test', text, ['0', '1']);
    let tokens = 0;
    for (const [at, row] of rows.entries()) {
      const { ids, types } = tokenizer.encode(row.text, row.second);
      tokens += ids.length;
      expect([...sequences.at(at)], row.text).toEqual(Array.from(ids));
      expect([...(tokenTypes?.at(at) ?? new Int32Array(ids.length))], row.text).toEqual(Array.from(types));
      const again = text.encode(row.text, row.second);
      expect([...again.tokens]).toEqual(Array.from(ids));
    }
    expect(result.splits.test).toMatchObject({ lines: rows.length, tokens, unknownRate: 0 });
    const copy = join(root, 'copy');
    mkdirSync(copy);
    await TaskText.copy(out, copy);
    expect((await TaskText.load(copy)).vocabSize).toBe(tokenizer.size);
  });
});

it('a directory without a tokenizer.json is refused before anything is read', async () => {
  const root = scratchDirectory();
  const options = {
    task: 'classification',
    pieces: 'huggingface',
    tokenizer: root,
    out: join(root, 'data'),
  } as const;
  await expect(prepareTask({ ...options, train: 'nowhere', validFraction: 0.5 })).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
    message: expect.stringContaining('tokenizer.json'),
  });
});
