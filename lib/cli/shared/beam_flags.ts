import type { Command } from 'commander';
import { toNumber } from './number_flag.js';

const beamFlags = [
  ['beam', '<n>', 'hypotheses kept at each step'],
  ['lengthPenalty', '<exponent>', 'the score is divided by length to this power'],
  ['maxLenA', '<a>', 'longest translation: a·source + b tokens'],
  ['maxLenB', '<b>', 'see --max-len-a'],
  ['minLen', '<n>', 'shortest translation in tokens'],
] as const;

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The flags of a beam search. */
export function addBeamFlags(command: Command): Command {
  for (const [name, argument, text] of beamFlags)
    command.option(`--${kebab(name)} ${argument}`, text, toNumber);
  return command;
}

/** Those of the flags that were given, by the names of beamSearchSchema. */
export function beamOptions(flags: Record<string, unknown>): Record<string, number> {
  return Object.fromEntries(
    beamFlags.filter(([name]) => flags[name] !== undefined).map(([name]) => [name, flags[name] as number]),
  );
}
