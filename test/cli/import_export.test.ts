import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { interchangePath, recordedJson } from '../support/fixtures/interchange_fixtures.js';
import { workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const rdrop = (args: string[], input = '') => {
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    input,
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
};
const checkpoint = ['--checkpoint', interchangePath('fork.pt'), '--dict', interchangePath('dict.txt')];

describe('rdrop import and export', () => {
  it('an encoder of transformers becomes a run, and goes out again', () => {
    const models = join(packageRoot, 'test/fixtures/huggingface/models');
    const out = at('encoder');
    const imported = rdrop(['import', 'huggingface', join(models, 'bert_masked'), '--out', out, '--json']);
    expect(imported.status, imported.err).toBe(0);
    expect(JSON.parse(imported.out)).toMatchObject({ directory: out, kind: 'bert', head: null, labels: [] });
    expect(imported.err).toMatch(
      /rdrop: left out \d+ tensors of other heads \(cls\..*\n.*begins with 4 new tensors/,
    );
    const exported = rdrop(['export', 'huggingface', out, '--out', at('encoder_out'), '--json']);
    expect(exported.status, exported.err).toBe(0);
    expect(JSON.parse(exported.out).files).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const refused = rdrop(['import', 'huggingface', join(models, 'none'), '--out', at('none')]);
    expect(refused).toMatchObject({ status: 1, err: expect.stringMatching(/^rdrop: FILE_NOT_FOUND/) });
  });

  it('a checkpoint of fairseq becomes a run, which translates, and goes out again', async () => {
    const text = ['--codes', interchangePath('codes'), '--lowercase'];
    const imported = rdrop(['import', 'fairseq', ...checkpoint, ...text, '--out', at('run'), '--json']);
    expect(imported.status, imported.err).toBe(0);
    expect(JSON.parse(imported.out)).toEqual({
      directory: at('run'),
      vocabSize: 40,
      parameters: 44_032,
      updates: 2500,
    });
    const { raw, generation } = recordedJson<{ raw: string[]; generation: { tokens: number[] }[] }>(
      'huggingface.json',
    );
    const translated = rdrop(
      ['translate', '--run', at('run'), '--threads', '1', '--json'],
      `${raw.join('\n')}\n`,
    );
    const rows = JSON.parse(translated.out) as { tokens: number[] }[];
    expect(rows.map(({ tokens }) => tokens)).toEqual(generation.map(({ tokens }) => tokens));

    const exported = rdrop([
      'export',
      'huggingface',
      '--run',
      at('run'),
      '--out',
      at('hf'),
      '--beam',
      '3',
      '--json',
    ]);
    expect(exported.status, exported.err).toBe(0);
    expect(exported.err).toMatch(/^rdrop: FSMTTokenizer splits words at hyphens/);
    const { directory, files } = JSON.parse(exported.out);
    expect(directory).toBe(at('hf'));
    expect((await readdir(directory)).sort()).toEqual(files);
    expect(JSON.parse(await readFile(at('hf/generation_config.json'), 'utf8')).num_beams).toBe(3);

    const fairseq = rdrop(['export', 'fairseq', '--run', at('run'), '--out', at('fs')]);
    expect(fairseq).toEqual({
      status: 0,
      out: `${at('fs')}: checkpoint_best.pt, code, dict.de.txt, dict.en.txt\n`,
      err: '',
    });
    // And in again, as it was.
    const again = rdrop(
      [
        'import',
        'fairseq',
        '--checkpoint',
        at('fs/checkpoint_best.pt'),
        '--dict',
        at('fs/dict.de.txt'),
      ].concat(
        '--target-dict',
        at('fs/dict.en.txt'),
        '--codes',
        at('fs/code'),
        '--lowercase',
        'after',
        '--out',
        at('again'),
      ),
    );
    expect(again).toEqual({
      status: 0,
      out: `${at('again')}: 44032 parameters, 40 types in the dictionary\n`,
      err: '',
    });
    expect(JSON.parse(await readFile(at('again/text.json'), 'utf8')).lowercase).toBe('after');
    const model = 'checkpoints/best/model.safetensors';
    expect((await readFile(at(`again/${model}`))).equals(await readFile(at(`run/${model}`)))).toBe(true);
  });

  it.each([
    ['no checkpoint', ['import', 'fairseq', '--out', 'x'], /^rdrop: INVALID_CONFIG: import\.checkpoint/],
    [
      'an old format',
      [
        'import',
        'fairseq',
        '--checkpoint',
        interchangePath('old.pt'),
        '--dict',
        interchangePath('dict.txt'),
        '--out',
        'x',
      ],
      /^rdrop: MALFORMED_FILE: .*old\.pt: expected the zip format/,
    ],
    [
      'a missing dictionary',
      ['import', 'fairseq', ...checkpoint.slice(0, 2), '--dict', 'none', '--out', 'x'],
      /^rdrop: FILE_NOT_FOUND: none/,
    ],
    [
      'an unknown format',
      ['export', 'onnx', '--run', 'x', '--out', 'y'],
      /^rdrop: INVALID_ARGUMENT: export\.format/,
    ],
    ['no run', ['export', 'both', '--run', 'none', '--out', 'y'], /^rdrop: FILE_NOT_FOUND: /],
  ])('%s is a coded error and status 1', (_, args, message) => {
    const { status, out, err } = rdrop(args);
    expect(err).toMatch(message);
    expect({ status, out }).toEqual({ status: 1, out: '' });
  });
});
