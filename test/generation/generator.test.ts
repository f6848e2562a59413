// Text to text with the run of a language model: prompts in characters and words, of a stream and of lines; the command.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { generateCommand } from '../../lib/cli/generate.js';
import { Generator } from '../../lib/generation/generator.js';
import { runModelOf, writeImportedRun } from '../../lib/interchange/imported_run.js';
import { snapshotOf, Transformer } from '../../lib/model/transformer.js';
import { native } from '../../lib/native/binding.js';
import { parseConfig, trainSchema } from '../../lib/options/index.js';
import type { TaskTextConfig } from '../../lib/options/tasks/text.js';
import { Dictionary, eos } from '../../lib/text/dictionary.js';
import { TaskText } from '../../lib/text/tasks/task_text.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';

beforeAll(() => native().setThreads(1));

const lines = ['to be or not to be', 'that is the question'];

/** A run of an untrained model, as if it had been trained on `lines`. */
async function run(config: Pick<TaskTextConfig, 'pieces' | 'mode'>, task = 'language-model') {
  const directory = scratchDirectory();
  const whole: TaskTextConfig = { task: 'language-model', lowercase: false, ...config };
  const cut = new TaskText(whole, Dictionary.build([]), null);
  const end = config.pieces === 'characters' ? ['<newline>'] : [];
  const dictionary = Dictionary.build([...lines.map((line) => cut.segment(line)), ...end]);
  const text = new TaskText(whole, dictionary, null);
  await text.write(directory);
  const network = {
    ...{ vocabSize: text.vocabSize, embedDim: 8, ffnDim: 8, heads: 2, decoderLayers: 1, maxPositions: 16 },
    ...{ architecture: 'decoder' as const },
  };
  using model = await Transformer.create(network, { seed: 3, device: 'cpu' });
  using snapshot = await snapshotOf(model);
  const options = { task, data: directory, runDirectory: directory, model: runModelOf(model.config) };
  await writeImportedRun(directory, {
    config: parseConfig(trainSchema, { ...options, device: 'cpu', precision: 'float32' }, 'train'),
    ...{ model: model.config, parameters: snapshot.tensors, updates: 0 },
    ...{ textFiles: TaskText.fileNames(whole), imported: { from: 'test' } },
  });
  return { directory, text };
}

describe('a generator', () => {
  it('goes on with characters of a stream, through the ends of lines', async () => {
    const { directory, text } = await run({ pieces: 'characters', mode: 'stream' });
    using generator = await Generator.load(directory);
    const options = { maxTokens: 60, seed: 5 };
    const prompts = ['to be', '', 'that\nis'];
    const found = await generator.generate(prompts, options);
    expect(found.map(({ prompt }) => prompt)).toEqual(prompts);
    for (const each of found) {
      expect(each.tokens.length).toBe(60);
      expect(each.logProbabilities.length).toBe(60);
      expect(each.text).toBe(text.decode(each.tokens));
    }
    // An empty prompt begins behind the end of a line.
    expect((await generator.generate(['\n'], { ...options, first: 1 }))[0]!.tokens).toEqual(found[1]!.tokens);
    expect(await generator.generate(prompts, options)).toEqual(found);
  });

  it('goes on with words of lines up to their end', async () => {
    const { directory, text } = await run({ pieces: 'words', mode: 'lines' });
    using generator = await Generator.load(directory);
    const many = Array.from({ length: 40 }, () => 'to be');
    const found = await generator.generate(many, { maxTokens: 30, temperature: 2 });
    const ended = found.filter(({ tokens }) => tokens.at(-1) === eos);
    expect(ended.length).toBeGreaterThan(10);
    for (const each of ended) {
      expect(each.tokens.indexOf(eos)).toBe(each.tokens.length - 1);
      expect(each.text).toBe(text.decode(each.tokens.subarray(0, -1)));
      expect(each.text).not.toContain('\n');
    }
    const [open] = await generator.generate(['to be'], { maxTokens: 200, untilEos: false, temperature: 2 });
    expect(open!.text).toContain('\n');
  });

  it('never makes words that only fill the dictionary up', async () => {
    const { directory, text } = await run({ pieces: 'words', mode: 'lines' });
    const { dictionary } = text;
    expect(dictionary.filled).toBeLessThan(dictionary.size);
    using generator = await Generator.load(directory);
    const found = await generator.generate(
      Array.from({ length: 40 }, () => 'to be'),
      { maxTokens: 30, temperature: 5, untilEos: false },
    );
    for (const { tokens } of found) expect(Math.max(...tokens)).toBeLessThan(dictionary.filled);
  });

  it('reads eos before the first word of a line', async () => {
    const { directory, text } = await run({ pieces: 'words', mode: 'lines' });
    using generator = await Generator.load(directory);
    const [found] = await generator.generate(['to be'], { greedy: true, maxTokens: 5 });
    using model = await Transformer.load(join(directory, 'checkpoints', 'best', 'model.safetensors'));
    const prompt = Int32Array.from([eos, ...text.ids('to be')]);
    const [direct] = await model.generate([prompt], { greedy: true, maxTokens: 5 });
    expect(found!.tokens).toEqual(direct!.tokens);
  });

  it('refuses what it cannot go on with', async () => {
    const { directory } = await run({ pieces: 'words', mode: 'lines' });
    const refused = (work: Promise<unknown>, code: string, message: RegExp) =>
      expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await refused(Generator.load(join(directory, 'none')), 'FILE_NOT_FOUND', /config\.json/);
    await refused(
      Generator.load(directory, { checkpoint: 'last' }),
      'FILE_NOT_FOUND',
      /no such checkpoint yet/,
    );
    using generator = await Generator.load(directory);
    await refused(generator.generate('to be' as never), 'INVALID_ARGUMENT', /prompts: expected an array/);
    await refused(
      generator.generate([7] as never),
      'INVALID_ARGUMENT',
      /prompts\[0\]: expected a text, got 7/,
    );
    await refused(generator.generate(['a'], { topP: 0 }), 'INVALID_ARGUMENT', /generation\.topP/);
    generator.dispose();
    await refused(generator.generate(['a']), 'DISPOSED', /Transformer/);
    const other = await run({ pieces: 'words', mode: 'lines' }, 'classification');
    await refused(
      Generator.load(other.directory),
      'INVALID_ARGUMENT',
      /"language-model", got one of "classification"/,
    );
    rmSync(join(directory, 'dict.txt'));
    await refused(Generator.load(directory), 'MANIFEST_MISMATCH', /dict\.txt/);
  });
});

describe('rdrop generate', () => {
  const rdrop = (args: string[], input = '') => runCommand(generateCommand(), args, [input]);

  it('prints prompt and text, of flags or standard input', async () => {
    const { directory } = await run({ pieces: 'characters', mode: 'stream' });
    const flags = [directory, '--threads', '1', '--max-tokens', '9', '--seed', '4'];
    using generator = await Generator.load(directory, { threads: 1 });
    const [expected, second] = await generator.generate(['to be', 'to be'], { maxTokens: 9, seed: 4 });
    const line = `${expected!.text}${expected!.text.endsWith('\n') ? '' : '\n'}`;
    for (const { output, thrown } of [
      await rdrop([...flags, '--prompt', 'to be']),
      await rdrop(flags, 'to be\n'),
    ]) {
      expect(thrown).toBeNull();
      expect(output).toBe(`to be${line}`);
    }
    const { output } = await rdrop([...flags, '--lines', '--samples', '2', '--json'], 'to be\nor\n');
    const rows = JSON.parse(output) as { prompt: string; text: string; tokens: number[] }[];
    expect(rows.map(({ prompt }) => prompt)).toEqual(['to be', 'to be', 'or', 'or']);
    expect(rows.slice(0, 2).map(({ text }) => text)).toEqual([expected!.text, second!.text]);
    expect(rows[0]!.tokens).toEqual([...expected!.tokens]);
  });

  it('takes every way of choosing tokens, and refuses two at once before it loads a model', async () => {
    const { directory } = await run({ pieces: 'words', mode: 'lines' });
    const flags = [directory, '--threads', '1', '--max-tokens', '5', '--prompt', 'to be', '--json'];
    for (const more of [
      ['--greedy'],
      ['--beam', '3'],
      ['--temperature', '2', '--top-k', '3', '--top-p', '0.9'],
    ]) {
      const { output, thrown } = await rdrop([...flags, ...more]);
      expect(thrown).toBeNull();
      expect((JSON.parse(output) as unknown[]).length).toBe(1);
    }
    const { thrown } = await rdrop(['nowhere', '--greedy', '--top-k', '3']);
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('generation.greedy'),
    });
    const samples = await rdrop([directory, '--samples', '0']);
    expect(samples.thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('samples'),
    });
  });
});
