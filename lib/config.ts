/**
 * The only home of option names, ranges and defaults. Every object is strict: an unknown key is an error, and each
 * accepted key has an effect. Sources: paper section 4 and the fairseq flags of dropreg/R-Drop's translation script.
 *
 * config/benchmark.ts and config/interchange.ts are not gathered here: whoever needs them imports them, so that the
 * library's import need not.
 */
export * from './config/evaluation.js';
export * from './config/experiment.js';
export * from './config/parse.js';
export * from './config/text.js';
export * from './config/training.js';
