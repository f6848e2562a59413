#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { endBySignals, statusOfSignal } from './shared/interrupt.js';
import { type CommandName, descriptions, namedCommand } from './shared/named_command.js';
import { say } from './shared/terminal.js';

/** Each command in its own file, loaded when it is asked for. */
const commands: Record<CommandName, () => Promise<Command>> = {
  setup: async () => (await import('./setup.js')).setupCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  demo: async () => (await import('./demo.js')).demoCommand(),
  text: async () => (await import('./text.js')).textCommand(),
  bpe: async () => (await import('./bpe.js')).bpeCommand(),
  prepare: async () => (await import('./prepare.js')).prepareCommand(),
  train: async () => (await import('./train.js')).trainCommand(),
  translate: async () => (await import('./translate.js')).translateCommand(),
  generate: async () => (await import('./generate.js')).generateCommand(),
  predict: async () => (await import('./predict.js')).predictCommand(),
  evaluate: async () => (await import('./evaluate.js')).evaluateCommand(),
  score: async () => (await import('./score.js')).scoreCommand(),
  import: async () => (await import('./import.js')).importCommand(),
  export: async () => (await import('./export.js')).exportCommand(),
  sweep: async () => (await import('./sweep.js')).sweepCommand(),
  worker: async () => (await import('./worker.js')).workerCommand(),
  stats: async () => (await import('./stats.js')).statsCommand(),
  theory: async () => (await import('./theory.js')).theoryCommand(),
  report: async () => (await import('./report.js')).reportCommand(),
  watch: async () => (await import('./watch.js')).watchCommand(),
  bench: async () => (await import('./bench.js')).benchCommand(),
};

/** The command of `rdrop <command> …`, `rdrop -- <command> …` or `rdrop help <command>`. */
const askedFor = ([first, second]: readonly string[]) =>
  first === 'help' || first === '--' ? second : first;

/** `help bpe learn` as `bpe learn --help`: commander's own help command sees the first word alone. */
const asHelpFlag = (argv: readonly string[]): readonly string[] =>
  argv[0] === 'help' && argv.length > 1 ? [...argv.slice(1), '--help'] : argv;

/** Lets a command throw what it has against its arguments, and those below it, instead of printing it and leaving. */
function throwing(command: Command): Command {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const below of command.commands) throwing(below);
  return command;
}

/** Commands whose flags are options of a configuration, where an unknown one is INVALID_CONFIG. */
const configured: readonly CommandName[] = ['train', 'sweep', 'worker', 'theory', 'prepare', 'import'];

/** commander reports a missing option before an unknown one, which may be that very one, mistyped: that is reported instead. */
async function unknownOptionFirst(error: CommanderError, argv: readonly string[]): Promise<CommanderError> {
  const asked = askedFor(argv) as CommandName;
  if (error.code !== 'commander.missingMandatoryOptionValue' || !(asked in commands)) return error;
  const again = throwing(await commands[asked]());
  const lenient = (command: Command): void => {
    command.action(() => {});
    for (const option of command.options) option.makeOptionMandatory(false);
    for (const below of command.commands) lenient(below);
  };
  lenient(again);
  try {
    await again.parseAsync(argv.slice(argv.indexOf(asked) + 1), { from: 'user' });
  } catch (other) {
    if (other instanceof CommanderError && other.code === 'commander.unknownOption') return other;
  }
  return error;
}

/**
 * The first word that names no command where one is expected. commander shows a help for it in silence when help was asked for, and
 * counts it as an argument too many where the command works without a command below it.
 *
 * @param help whether help was asked for; else only words that resemble a command are taken for one
 */
async function unknownCommand(program: Command, words: readonly string[], help: boolean) {
  const { mostSimilar } = await import('../util/similar.js');
  let command = program;
  for (const word of words) {
    if (word === 'help' || word === '--') continue;
    if (word.startsWith('-') || command.commands.length === 0) return null;
    const below = command.commands.find((each) => each.name() === word);
    if (below === undefined) {
      const names = command.commands.map((each) => each.name());
      const meant = mostSimilar(word, names);
      if (meant === null && !help) return null;
      const hint = meant === null ? `; expected one of ${names.join(', ')}` : `\n(Did you mean ${meant}?)`;
      return new CommanderError(1, 'commander.unknownCommand', `error: unknown command '${word}'${hint}`);
    }
    command = below;
  }
  return null;
}

/** Where commander lists the choices of an option and no more: the one that was probably meant. */
async function meantChoice(message: string): Promise<string> {
  const [, value, choices] = /argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s.exec(message) ?? [];
  if (value === undefined || choices === undefined) return '';
  const { mostSimilar } = await import('../util/similar.js');
  const meant = mostSimilar(value, choices.split(', '));
  return meant === null ? '' : `\n(Did you mean ${meant}?)`;
}

/** What commander threw: help and version, which were printed, or wrong arguments. */
async function printCommanderError(
  { message, exitCode, code }: CommanderError,
  asked: string | undefined,
): Promise<void> {
  const wrong = message.startsWith('error: ');
  // An unknown option is the same mistake in a flag, in --set, in a file and in a call.
  const ofConfig = code === 'commander.unknownOption' && configured.includes(asked as CommandName);
  const reported = ofConfig ? 'INVALID_CONFIG' : 'INVALID_ARGUMENT';
  if (wrong)
    process.stderr.write(
      `rdrop: ${reported}: ${message.slice('error: '.length)}${await meantChoice(message)}\n`,
    );
  process.exitCode = exitCode;
}

/** Warnings in the form of this program's other messages, above a bar if there is one; those of others as Node.js writes them. */
function printWarnings(): void {
  if (process.execArgv.includes('--no-warnings') || process.env['NODE_NO_WARNINGS'] === '1') return;
  process.removeAllListeners('warning').on('warning', ({ name, message }) => {
    say(name === 'RdropWarning' ? `rdrop: warning: ${message}` : `(node:${process.pid}) ${name}: ${message}`);
  });
}

/**
 * Runs the command line. An RdropError becomes `rdrop: CODE: message` on standard error and exit status 1, or that of the signal
 * which aborted the work.
 */
export async function main(argv: readonly string[]): Promise<void> {
  // `rdrop … | head` closes the pipe: no reason to complain.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE')
      process.stderr.write(`rdrop: FILE_UNWRITABLE: standard output: ${error.message}\n`);
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  // Progress that nobody reads any more must not end a training.
  process.stderr.on('error', () => {});
  endBySignals();
  printWarnings();
  const program = new Command('rdrop')
    // An option belongs to the command before it: `prepare` and `prepare iwslt14` share names.
    .enablePositionalOptions()
    .description('train Transformers with R-Drop: uni- or bidirectional KL');
  const asked = askedFor(argv);
  const wantsVersion = asked === '--version' || asked === '-V';
  program.version(wantsVersion ? (await import('../util/package_version.js')).packageVersion() : '');
  // Only the one asked for is loaded: the others stand in the help with their names and descriptions alone.
  for (const name of Object.keys(descriptions) as CommandName[])
    program.addCommand(name === asked ? await commands[name]() : namedCommand(name));
  try {
    const help = argv.some((word) => word === 'help' || word === '--help' || word === '-h');
    const unknown = help ? await unknownCommand(program, argv, true) : null;
    if (unknown !== null) throw unknown;
    await throwing(program).parseAsync(asHelpFlag(argv), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      const surplus = error.code === 'commander.excessArguments';
      const unknown = surplus ? await unknownCommand(program, argv, false) : null;
      return printCommanderError(unknown ?? (await unknownOptionFirst(error, argv)), asked);
    }
    const { asRdropError } = await import('../util/errors.js');
    const { code, message } = asRdropError(error);
    process.stderr.write(`rdrop: ${code}: ${message}\n`);
    if (code === 'INTERNAL' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    const ofSignal = code === 'ABORTED' ? statusOfSignal() : null;
    // All is said and cleared away: native work that cannot be interrupted is not waited for.
    if (ofSignal !== null) process.exit(ofSignal);
    process.exitCode = 1;
  }
}

await main(process.argv.slice(2));
