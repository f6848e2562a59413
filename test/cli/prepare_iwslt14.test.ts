import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { prepareCommand } from '../../lib/cli/prepare.js';
import { iwslt14Archive, iwslt14Fixture, recordedIwslt14 } from '../support/fixtures/iwslt14_fixtures.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const iwslt14 = (...args: string[]) => runCommand(prepareCommand(), ['iwslt14', ...args]);

describe('rdrop prepare iwslt14', () => {
  it('prints one JSON document, and its progress on standard error', async () => {
    const out = join(scratchDirectory(), 'data');
    const printed = spawnSync(
      process.execPath,
      [main, 'prepare', 'iwslt14', iwslt14Archive, '--out', out, '--bpe', '200', '--json'],
      { encoding: 'utf8' },
    );
    expect(printed.status).toBe(0);
    const document = JSON.parse(printed.stdout);
    expect(document).toMatchObject({ directory: out, vocabSize: 232, merges: 200 });
    expect(document.splits).toMatchObject({
      train: { pairs: 336 },
      valid: { pairs: 15 },
      test: { pairs: 60 },
    });
    expect(readFileSync(join(out, 'codes'), 'utf8')).toBe(recordedIwslt14('code'));
    expect(printed.stderr.split('\n').slice(0, 3)).toEqual([
      `rdrop: reading ${iwslt14Archive}`,
      'rdrop: tokenizing train',
      'rdrop: lower-casing train',
    ]);
  });

  it('is aborted by Ctrl-C and leaves nothing', async () => {
    const root = scratchDirectory();
    const child = spawn(process.execPath, [
      main,
      'prepare',
      'iwslt14',
      iwslt14Archive,
      '--out',
      join(root, 'data'),
    ]);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (errors === '') child.kill('SIGINT');
      errors += text;
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(errors).toMatch(/^rdrop: ABORTED: .* was aborted$/m);
    expect(status).toBe(130);
    expect(readdirSync(root)).toEqual([]);
  });

  it('prints a summary, and takes every option', async () => {
    const out = join(scratchDirectory(), 'data');
    const built = ['--min-frequency', '300', '--threshold', '3', '--padding-factor', '1'];
    const first = await iwslt14(iwslt14Archive, '--out', out, '--bpe', '200', ...built);
    expect(first.thrown).toBeNull();
    const lines = first.output.split('\n');
    expect(lines[0]).toMatch(
      /^train {2}336 pairs \(19 left out\) {2}de: \d+ tokens, \d+ types, [.\d]+ % unknown {2}en: /,
    );
    expect(lines[1]).toMatch(/^valid {2}15 pairs {2}de: /);
    expect(lines[2]).toMatch(/^test {3}60 pairs {2}de: /);
    const merges = Number(/, (\d+) merges$/.exec(lines[3]!)?.[1]);
    expect(merges).toBeGreaterThan(0);
    expect(merges).toBeLessThan(200);

    const given = ['--codes', iwslt14Fixture('code'), '--dictionary', iwslt14Fixture('dict.txt')];
    const second = await iwslt14(iwslt14Archive, '--out', out, '--overwrite', ...given);
    expect(second.output).toContain('232 types in the dictionary, 200 merges\n');
    const third = await iwslt14(iwslt14Archive, '--out', out, '--overwrite', '--bpe', 'none');
    expect(third.output).toContain(', 0 merges\n');
  });

  it('refuses what it does not know, and options before its name', async () => {
    const out = join(scratchDirectory(), 'data');
    const refused = async (code: string, message: string, ...args: string[]) => {
      const { thrown, output } = await iwslt14(...args);
      expect(thrown).toEqual(fault(code, message));
      expect(output).toBe('');
    };
    await refused('INVALID_CONFIG', 'iwslt14.out', iwslt14Archive);
    await refused('INVALID_CONFIG', 'iwslt14.threshold', iwslt14Archive, '--out', out, '--threshold', '0.5');
    await refused('FILE_NOT_FOUND', 'nowhere.tgz', 'nowhere.tgz', '--out', out);
    await refused('commander.missingArgument', 'archive');
    await refused('commander.unknownOption', '--source', iwslt14Archive, '--source', 'de');
    const early = await runCommand(prepareCommand(), [
      '--source',
      'de',
      'iwslt14',
      iwslt14Archive,
      '--out',
      out,
    ]);
    expect(early.thrown).toEqual(
      fault('INVALID_CONFIG', 'expected its options behind it, got source before'),
    );
  });

  it('stands beside rdrop prepare, which goes on as before', async () => {
    const program = new Command('rdrop').enablePositionalOptions().addCommand(prepareCommand());
    const { thrown } = await runCommand(program, ['prepare', '--source', 'de', '--out', 'x']);
    expect(thrown).toEqual(fault('INVALID_CONFIG', 'prepare.target'));
  });
});
