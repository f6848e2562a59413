import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';

const rdrop = (...args: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    input: '',
  });

describe('arguments that no command understands', () => {
  it.each([
    [
      'a command whose help is asked for',
      ['help', 'trian'],
      /unknown command 'trian'\n\(Did you mean train\?\)/,
    ],
    ['the same by its flag', ['trian', '--help'], /unknown command 'trian'/],
    ['a command below', ['help', 'bpe', 'lern'], /unknown command 'lern'\n\(Did you mean learn\?\)/],
    [
      'help of what is like nothing',
      ['help', 'xyzzy'],
      /unknown command 'xyzzy'; expected one of setup, doctor/,
    ],
    ['a command below one that works alone', ['stats', 'pwer'], /'pwer'\n\(Did you mean power\?\)/],
    [
      'a limit of a resumed run',
      ['train', '--resume', '--run', 'x', '--set', 'maxUpdats=3'],
      /got maxUpdats; did you mean maxUpdates\?/,
    ],
    [
      'two values of a limit of a run that goes on',
      ['train', '--resume', '--run', 'x', '--max-updates', '5', '--set', 'maxUpdates=7'],
      /--max-updates and --set maxUpdates: expected one value of maxUpdates, got 5 and 7/,
    ],
    [
      'two values of its data',
      ['train', '--resume', '--run', 'x', '--data', 'a', '--set', 'data=b'],
      /--data and --set data: expected one value of data, got "a" and "b"/,
    ],
    [
      'two values of an option',
      ['train', '--run', 'x', '--data', 'y', '--direction', 'uni', '--set', 'loss={"direction":"bi"}'],
      /--direction and --set loss: expected one value of loss\.direction, got "uni" and "bi"/,
    ],
    [
      'two values of an option of a sweep',
      ['sweep', '--out', 'x', '--data', 'y', '--alpha', '1', '--set', 'loss.alpha=2'],
      /--alpha and --set loss\.alpha: expected one value of loss\.alpha, got 1 and 2/,
    ],
    [
      'two values of an option of theory',
      ['theory', '--data', 'y', '--pairs', '4', '--set', 'pairs=8'],
      /--pairs and --set pairs: expected one value of pairs, got 4 and 8/,
    ],
    ['a command', ['trian'], /unknown command 'trian'\n\(Did you mean train\?\)/],
    [
      'an option',
      ['score', '--hyp', 'x', '--ref', 'y', '--seeed', '1'],
      /unknown option '--seeed'\n\(Did you mean --seed\?\)/,
    ],
    ['an option of a command below', ['bpe', 'learn', '--merge', '1'], /unknown option '--merge'/],
    ['one argument too many', ['doctor', 'now'], /too many arguments for 'doctor'/],
    ['a required option that is not there', ['score', '--hyp', 'x'], /required option '--ref <file>'/],
    ['an option without its value', ['translate', '--run'], /option '--run <directory>' argument missing/],
    ['a name outside a list', ['translate', '--run', 'x', '--checkpoint', 'first'], /'first' .*best, last/],
    [
      'almost a name of a list',
      ['translate', '--run', 'x', '--checkpoint', 'bets'],
      /Allowed choices are best, last\.\n\(Did you mean best\?\)/,
    ],
    [
      'almost a name of a list below stats',
      ['stats', '--a', '1', '--b', '2', '--alternative', 'greter'],
      /stats\.alternative: .*"greter", did you mean greater\?/,
    ],
    [
      'almost a preset',
      ['train', '--run', 'x', '--data', 'y', '--preset', 'mult30k'],
      /unknown preset, did you mean multi30k\?/,
    ],
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

describe('an option that does not exist', () => {
  const train = ['train', '--run', 'x', '--data', 'y'];
  it.each([
    ['a flag', [...train, '--seeed', '1'], /unknown option '--seeed'\n\(Did you mean --seed\?\)/],
    [
      'a flag of a sweep',
      ['sweep', '--out', 'x', '--max-update', '1'],
      /'--max-update'\n\(Did you mean --max-updates\?\)/,
    ],
    [
      '--set',
      [...train, '--set', 'seeed=1'],
      /train\.seeed: unknown option, did you mean seed\?; expected one of preset, data, runDirectory, task, seed/,
    ],
    [
      '--set further below',
      [...train, '--set', 'validation.beam.bean=1'],
      /validation\.beam\.bean: .*did you mean beam\?; expected one of beam, lengthPenalty, maxLenA, maxLenB, minLen; got 1/,
    ],
    [
      '--set in the wrong place',
      [...train, '--set', 'learningRate=1'],
      /did you mean optimizer\.learningRate\?/,
    ],
    [
      '--set of a sweep',
      ['sweep', '--out', 'x', '--data', 'y', '--set', 'model.headz=1'],
      /model\.headz: .*did you mean heads\?/,
    ],
    [
      '--set of theory',
      ['theory', '--data', 'y', '--set', 'pears=1'],
      /theory\.pears: .*did you mean pairs\?/,
    ],
    [
      'a value of a flag',
      [...train, '--direction', 'un'],
      /train\.loss\.direction: .*"uni-reverse".*, got "un", did you mean uni\?/,
    ],
    ['a value of --set', [...train, '--set', 'loss.direction=unn'], /got "unn", did you mean uni\?/],
    [
      'a value in a list',
      ['sweep', '--out', 'x', '--data', 'y', '--directions', 'bi,unireverse'],
      /sweep\.directions\.1: .*did you mean uni-reverse\?/,
    ],
  ])('is the same mistake, with what was meant, in %s', (_, args, message) => {
    const { status, stdout, stderr } = rdrop(...args);
    expect(stderr).toMatch(/^rdrop: INVALID_CONFIG: /);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  });

  it.each([
    [['train', '--rnu', 'x'], /unknown option '--rnu'\n\(Did you mean --run\?\)/],
    [['translate', '--beem', '3'], /unknown option '--beem'\n\(Did you mean --beam\?\)/],
    [['score', '--hpy', 'x'], /unknown option '--hpy'/],
    [['bpe', 'apply', '--code', 'x'], /unknown option '--code'\n\(Did you mean --codes\?\)/],
  ])('is told before one that is missing: %j', (args, message) => {
    expect(rdrop(...args).stderr).toMatch(message);
  });

  it.each([
    [
      'train',
      ['--device', '--precision', '--seed', '--alpha', '--direction', '--max-updates', '--smoothing'],
    ],
    [
      'sweep',
      ['--device', '--precision', '--seeds', '--alpha', '--directions', '--max-updates', '--smoothing'],
    ],
    ['theory', ['--device', '--precision', '--seed', '--alpha']],
    ['translate', ['--device', '--precision', '--n-best']],
  ])('everyday options of %s are flags', (command, flags) => {
    const { stdout } = rdrop(command, '--help');
    for (const flag of flags) expect(stdout).toMatch(new RegExp(`^ +${flag}[ ,]`, 'm'));
  });
});

describe('help and version', () => {
  it.each([[['--help']], [['help']], [['train', '--help']], [['help', 'bench']]])('%j', (args) => {
    const { status, stdout, stderr } = rdrop(...args);
    expect(stdout).toMatch(/^Usage: rdrop/);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each([['bpe learn'], ['text tokenize'], ['stats power'], ['prepare iwslt14'], ['import fairseq']])(
    'help %s is that of the command below',
    (words) => {
      const asked = rdrop('help', ...words.split(' '));
      expect(asked.stdout).toMatch(new RegExp(`^Usage: rdrop ${words} `));
      expect(asked).toMatchObject({ status: 0, stderr: '' });
      expect(asked.stdout).toBe(rdrop(...words.split(' '), '--help').stdout);
    },
  );

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
