import { Command } from 'commander';

/**
 * What each command does, in pipeline order, as `rdrop --help` shows them. Here and not with the commands, so that the help
 * loads none of them.
 */
export const descriptions = {
  setup: 'provide libtorch: download it (pip, else the official zip), check it, keep it in the cache',
  doctor: 'explain where libtorch and the native addon were looked for, and whether they open',
  demo: 'train plain dropout and R-Drop on a made corpus and compare them (minutes on a CPU)',
  text: 'prepare text as Moses does, from standard input to standard output',
  bpe: 'byte pair encoding, in the file format of subword-nmt',
  prepare:
    'tokens, pieces and dictionary of a parallel corpus, or of the text of another task, ready for training',
  train: 'train a model on a prepared directory',
  translate: 'translate lines of raw text with a trained run',
  generate: 'go on with a text as a trained language model does',
  predict: 'classes or numbers of texts with a trained run, a line each',
  evaluate: 'the figures of a trained run, of whatever task, on a test or validation split',
  score:
    'BLEU, chrF and TER of translations, equal to those of sacreBLEU (one detokenized sentence a line, plain or .gz), ' +
    'and BLEU4 of tokenized ones, equal to that of fairseq-score; tests of the difference to a baseline',
  import: "make a run directory of another program's model",
  export: 'write a run for Hugging Face transformers (FSMT), fairseq and CTranslate2',
  sweep: 'train with several seeds and KL directions; called again, it completes what is missing',
  worker: 'take trials of sweeps from a queue, on each of several machines',
  stats: 'compare the results of conditions, one a run, in the order of the seeds; plan a comparison',
  theory: 'section 3 of the paper measured: expectations and gradient variances of uni and bi',
  report: 'write report.html and report.md of a sweep, a run or several of either',
  watch: 'a page on this machine that shows runs and sweeps while they run',
  bench: 'how fast this machine trains and translates, beside PyTorch where a Python has it',
} as const;

export type CommandName = keyof typeof descriptions;

/** A command with its description and nothing else yet. */
export const namedCommand = (name: CommandName): Command => new Command(name).description(descriptions[name]);
