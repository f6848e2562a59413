import type { Command } from 'commander';
import type { GenerationOptions } from '../options/tasks/generation.js';
import { interruptible } from './shared/interrupt.js';
import { inputBlocks, OutputWriter } from './shared/line_filter.js';
import { addLoadFlags, type LoadFlags, loadOptionsOf } from './shared/load_flags.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags extends LoadFlags {
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
  json: boolean;
}

/** `rdrop generate`: a language model goes on with prompts. */
export function generateCommand(): Command {
  const collect = (value: string, before: string[]) => [...before, value];
  const command = namedCommand('generate').argument('<run>', 'the run directory of a language model');
  return addLoadFlags(command)
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
    .option('--json', 'print [{prompt, text, tokens, logProbabilities}] as JSON', false)
    .action(generate);
}

async function generate(run: string, flags: Flags): Promise<void> {
  const { Generator } = await import('../generation/generator.js');
  const { countTo } = await import('../options/schema/ranges.js');
  const { parseConfig } = await import('../options/schema/parse.js');
  const { generationSchema } = await import('../options/tasks/generation.js');
  const options = optionsOf(flags);
  parseConfig(generationSchema, options, 'generation', 'INVALID_ARGUMENT');
  const samples = parseConfig(countTo(1_000_000), flags.samples, 'samples', 'INVALID_ARGUMENT');
  await interruptible(async (signal) => {
    const given = flags.prompt.length > 0 ? flags.prompt : await promptsOfInput(flags.lines);
    await using generator = await Generator.load(run, { ...loadOptionsOf(flags), signal });
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
