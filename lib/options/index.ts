/**
 * The only place of option names, ranges and defaults: interfaces that document the options, and schemas that check them. Every
 * object is strict: an unknown key is an error, and each accepted key has an effect. Sources: paper section 4 and the fairseq
 * flags of dropreg/R-Drop's translation script.
 *
 * Modules import the file of their subject, so that loading one subject loads no other's schemas; this file is for tests.
 */
export * from './batches.js';
export * from './benchmark.js';
export * from './demo.js';
export * from './distributed.js';
export * from './evaluation.js';
export * from './interchange.js';
export * from './loss.js';
export * from './model.js';
export * from './opening.js';
export * from './optimizer.js';
export * from './preparation.js';
export * from './presets.js';
export * from './queue.js';
export * from './runtime.js';
export * from './schema/parse.js';
export * from './setup.js';
export * from './slots.js';
export * from './statistics.js';
export * from './sweep.js';
export * from './tasks/generation.js';
export * from './tasks/names.js';
export * from './tasks/prediction.js';
export * from './tasks/preparation.js';
export * from './tasks/text.js';
export * from './text.js';
export * from './theory.js';
export * from './training.js';
export * from './translation.js';
export * from './watch.js';
export * from './worker.js';
