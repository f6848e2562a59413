import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareCommand } from '../../lib/cli/prepare.js';
import { writeFiles } from '../support/prepared_files.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';

const examples = ['label\tfirst text\tsecond', 'yes\ta b\tc', 'no\td\te', 'yes\tf\tg', 'no\th i\tj'];

function files() {
  const root = scratchDirectory();
  writeFiles(root, { train: examples, test: examples, text: ['a b', '', 'c d', 'e'] });
  return { root, of: (name: string) => join(root, name) };
}

describe('rdrop prepare --task', () => {
  it('takes every option of classification, and prints a summary', async () => {
    const { of } = files();
    const args = [
      ...['--task', 'classification', '--train', of('train'), '--test', of('test'), '--out', of('data')],
      ...[
        '--label-first',
        '--header',
        '--pairs',
        '--valid-fraction',
        '0.5',
        '--seed',
        '3',
        '--pieces',
        'bpe:3',
      ],
      ...[
        '--lang',
        'en',
        '--lowercase',
        '--unknown-labels',
        'skip',
        '--min-frequency',
        '1',
        '--format',
        'tsv',
      ],
      ...['--threshold', '1', '--nwords', '20', '--padding-factor', '4', '--max-line-bytes', '99'],
    ];
    const { output, errors, thrown } = await runCommand(prepareCommand(), args);
    expect(thrown).toBeNull();
    expect(output).toMatch(
      /^train {2}2 examples {2}\d+ tokens, \d+ types, 0.000 % unknown {2}no 1, yes 1\nvalid {2}2 examples .*\ntest {3}4 examples .* no 2, yes 2\n.*data: (?:8|12|16|20) types in the dictionary, 2 labels(?:, \d merges)?\n$/,
    );
    expect(errors).toContain('rdrop: segmenting test\n');
    expect(JSON.parse(readFileSync(of('data/text.json'), 'utf8'))).toEqual({
      ...{ version: 1, task: 'classification', pieces: 'bpe:3', lowercase: true, lang: 'en', pairs: true },
    });
  });

  it('prints one JSON document', async () => {
    const { of } = files();
    const args = [
      '--task',
      'language-model',
      '--train',
      of('text'),
      '--valid',
      of('text'),
      '--out',
      of('data'),
    ];
    const { output, thrown } = await runCommand(prepareCommand(), [...args, '--mode', 'lines', '--json']);
    expect(thrown).toBeNull();
    expect(JSON.parse(output)).toMatchObject({
      ...{ task: 'language-model', directory: of('data') },
      splits: { train: { lines: 3, dropped: 1, tokens: 8, characters: 10 } },
    });
    const again = await runCommand(prepareCommand(), [...args, '--overwrite', '--pieces', 'characters']);
    expect(again.output).toMatch(/^train {2}4 lines {2}11 characters, 11 tokens, 7 types/);
  });

  it.each([
    [['--task', 'summarization'], 'prepare.task: expected one of language-model, classification, regression'],
    [['--task', 'regression', '--unknown-labels', 'skip'], 'prepare.unknownLabels: unknown option'],
    [['--task', 'classification', '--source', 'de'], 'prepare.source: unknown option'],
    [['--task', 'classification', '--bpe', '30'], 'prepare.bpe: unknown option'],
    [['--task', 'classification', '--pieces', 'bpe'], 'prepare.pieces: expected "words"'],
    [['--task', 'classification', '--valid-fraction', '1'], 'prepare.validFraction'],
    [['--source', 'de', '--target', 'en', '--label-first'], 'prepare.labelFirst: unknown option'],
  ])('%j is refused', async (extra, message) => {
    const { of } = files();
    const { output, thrown } = await runCommand(prepareCommand(), [
      '--train',
      of('train'),
      '--out',
      of('data'),
      ...extra,
    ]);
    expect(thrown).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining(message) });
    expect(output).toBe('');
    expect(existsSync(of('data'))).toBe(false);
  });
});
