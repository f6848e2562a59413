import { type Command, Option } from 'commander';
import type { GenerationOptions } from '../options/generation.js';
import { type RuntimeOptions, runtimeSchema } from '../options/runtime.js';
import { interruptible } from './shared/interrupt.js';
import { inputBlocks, OutputWriter } from './shared/line_filter.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  checkpoint: 'best' | 'last';
  prompt: string[];
  lines: boolean;
  samples: number;
  maxTokens?: number;
  greedy?: true;
  beam?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
  untilEos?: boolean;
  threads: number;
  device?: 'auto' | 'cpu' | 'cuda';
  precision?: RuntimeOptions['precision'];
  verify: boolean;
  json: boolean;
}

/** `rdrop generate`: a language model goes on with prompts. */
export function generateCommand(): Command {
  const collect = (value: string, before: string[]) => [...before, value];
  return namedCommand('generate')
    .argument('<run>', 'the run directory of a language model')
    .addOption(
      new Option('--checkpoint <name>', 'which of its checkpoints').choices(['best', 'last']).default('best'),
    )
    .option(
      '--prompt <text>',
      'what the text begins with; may be repeated; without one the prompt is standard input',
      collect,
      [],
    )
    .option('--lines', 'each line of standard input is a prompt', false)
    .option('--samples <n>', 'so many texts a prompt', toNumber, 1)
    .option('--max-tokens <n>', 'tokens a text (200)', toNumber)
    .option('--greedy', 'the most probable token each time, in place of a drawn one')
    .option('--beam <n>', 'beam search over so many texts, in place of drawing', toNumber)
    .option('--temperature <t>', 'below 1 probable tokens become more probable (1)', toNumber)
    .option('--top-k <n>', 'draws from so many of the most probable tokens alone', toNumber)
    .option('--top-p <p>', 'draws from the fewest tokens alone that have this probability together', toNumber)
    .option('--seed <n>', 'of the random numbers (1)', toNumber)
    .option('--until-eos', 'end a text with its first eos, also in a stream')
    .option('--no-until-eos', 'go on behind eos')
    .option('--threads <n>', 'threads of libtorch; 0 takes every core', toNumber, 0)
    .addOption(
      new Option('--device <name>', 'where; that of the run where it is there, else the CPU').choices([
        'auto',
        'cpu',
        'cuda',
      ]),
    )
    .addOption(
      new Option('--precision <name>', 'auto: bfloat16 on a GPU, float32 on a CPU').choices(
        runtimeSchema.shape.precision.unwrap().options,
      ),
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print [{prompt, text, tokens, logProbabilities}] as JSON', false)
    .action(generate);
}

async function generate(run: string, flags: Flags): Promise<void> {
  const { Generator } = await import('../generation/generator.js');
  const { countTo } = await import('../options/schema/ranges.js');
  const { parseConfig } = await import('../options/schema/parse.js');
  const { generationSchema } = await import('../options/generation.js');
  const options = optionsOf(flags);
  parseConfig(generationSchema, options, 'generation', 'INVALID_ARGUMENT');
  const samples = parseConfig(countTo(1_000_000), flags.samples, 'samples', 'INVALID_ARGUMENT');
  await interruptible(async (signal) => {
    const given = flags.prompt.length > 0 ? flags.prompt : await promptsOfInput(flags.lines);
    const { checkpoint, threads, device, precision, verify } = flags;
    await using generator = await Generator.load(run, {
      ...{ checkpoint, threads, verify, signal },
      ...(device !== undefined && { device }),
      ...(precision !== undefined && { precision }),
    });
    const prompts = given.flatMap((prompt) => Array.from({ length: samples }, () => prompt));
    const texts = await generator.generate(prompts, options);
    using writer = new OutputWriter();
    if (flags.json) {
      const plain = texts.map(({ tokens, logProbabilities, ...rest }) => ({
        ...rest,
        tokens: [...tokens],
        logProbabilities: [...logProbabilities],
      }));
      await writer.write(`${JSON.stringify(plain, null, 1)}\n`);
    } else {
      const separator = texts.length > 1 ? '---------------\n' : '';
      for (const { prompt, text } of texts)
        if (!(await writer.write(`${prompt}${text}${text.endsWith('\n') ? '' : '\n'}${separator}`))) return;
    }
    await writer.flush();
  });
}

/** All of standard input, or its lines. */
async function promptsOfInput(lines: boolean): Promise<string[]> {
  const all: string[] = [];
  for await (const block of inputBlocks()) all.push(...block);
  return lines ? all : [all.join('\n')];
}

function optionsOf(flags: Flags): GenerationOptions {
  const { maxTokens, greedy, beam, temperature, topK, topP, seed, untilEos } = flags;
  const all = { maxTokens, greedy, beam, temperature, topK, topP, seed, untilEos };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
