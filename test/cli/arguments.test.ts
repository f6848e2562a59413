import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/binding.js';

const rdrop = (...args: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    input: '',
  });

describe('arguments that no command understands', () => {
  it.each([
    ['a command', ['trian'], /unknown command 'trian'\n\(Did you mean train\?\)/],
    [
      'an option',
      ['train', '--run', 'x', '--data', 'y', '--seeed', '1'],
      /unknown option '--seeed'\n\(Did you mean --seed\?\)/,
    ],
    ['an option of a command below', ['bpe', 'learn', '--merge', '1'], /unknown option '--merge'/],
    ['one argument too many', ['doctor', 'now'], /too many arguments for 'doctor'/],
    ['a required option that is not there', ['score', '--hyp', 'x'], /required option '--ref <file>'/],
    ['an option without its value', ['translate', '--run'], /option '--run <directory>' argument missing/],
    ['a name outside a list', ['translate', '--run', 'x', '--checkpoint', 'first'], /'first' .*best, last/],
    [
      'letters for a number',
      ['translate', '--run', 'x', '--threads', 'two'],
      /'--threads <n>' argument 'two'/,
    ],
    ['letters among the beam', ['translate', '--run', 'x', '--beam', 'wide'], /'--beam <n>' argument 'wide'/],
    ['nothing for a number', ['bench', 'loss', '--rounds', ''], /'--rounds <n>' argument ''/],
    ['letters among seeds', ['sweep', '--out', 'x', '--seeds', '63,x'], /'--seeds <list>' argument '63,x'/],
    [
      'letters for a share',
      ['stats', '--a', '1', '--b', '2', '--level', 'all'],
      /'--level <share>' argument 'all'/,
    ],
    [
      'letters below stats',
      ['stats', 'power', '--runs', 'few', '--effect', '1'],
      /'--runs <count>' argument 'few'/,
    ],
    ['letters for the merges', ['prepare', '--bpe', 'many'], /'--bpe <merges>' argument 'many' .*, or none/],
    ['letters for the pieces', ['bpe', 'learn', '--merges', 'many'], /'--merges <n>' argument 'many'/],
  ])('%s is a coded error and status 1', (_, args, message) => {
    const { status, stdout, stderr } = rdrop(...args);
    expect(stderr).toMatch(/^rdrop: INVALID_ARGUMENT: /);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/error:/);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  });
});

describe('help and version', () => {
  it.each([[['--help']], [['help']], [['train', '--help']], [['help', 'bench']]])('%j', (args) => {
    const { status, stdout, stderr } = rdrop(...args);
    expect(stdout).toMatch(/^Usage: rdrop/);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('the version alone', () => {
    const { status, stdout, stderr } = rdrop('--version');
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each([[[]], [['bpe']]])('what is missing in %j is shown as help, and status 1', (args) => {
    const { status, stdout, stderr } = rdrop(...args);
    expect(stderr).toMatch(/^Usage: rdrop/);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  });
});
