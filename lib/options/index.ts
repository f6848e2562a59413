/**
 * The only home of option names, ranges and defaults. Every object is strict: an unknown key is an error, and each
 * accepted key has an effect. Sources: paper section 4 and the fairseq flags of dropreg/R-Drop's translation script.
 *
 * config/benchmark.ts and config/interchange.ts are not gathered here: whoever needs them imports them, so that the
 * library's import need not.
 */
export * from './evaluation.js';
export * from './experiment.js';
export * from './parse.js';
export * from './text.js';
export * from './training.js';
