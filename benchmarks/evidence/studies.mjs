// The plan of docs/evidence.md: what is trained, on what, with which seeds and how long. It was fixed before the runs; a change of
// anything here is another plan, and belongs into the history of docs/evidence.md.
//
// Precision is bfloat16 with float32 parameters throughout, as the paper's runs were in half precision; one thread a trial.
//
// Five conditions. Every one is tuned with the same effort, 4 settings × the seeds of tuning, on the validation part: those with a KL
// term over α (in the later two studies over α and dropout), the two without one over dropout. The seeds of tuning are none of the
// study's.
import { demoRecipe } from '../../dist/demo/demo.js';

/** The settings that each condition is tuned over: four of dropout; four of α, or two of it × two of dropout. */
const settings = ({ alphas, dropouts, dropoutsWithKl }) => {
  const plain = { 'model.dropout': dropouts };
  const tied = {
    'loss.alpha': alphas,
    ...(dropoutsWithKl === undefined ? {} : { 'model.dropout': dropoutsWithKl }),
  };
  return { 'one-pass': plain, baseline: plain, uni: tied, 'uni-reverse': tied, bi: tied };
};

const seeds = (count) => Array.from({ length: count }, (_, i) => i + 1);
const tuningSeeds = [901, 902, 903];
const precision = 'bfloat16';

/** Those of a sweep. */
const directions = ['one-pass', 'baseline', 'uni', 'uni-reverse', 'bi'];
/** And one pass for twice the updates, which costs what two passes cost. */
const withLong = directions.toSpliced(1, 0, 'one-pass-long');

/** Sizes of the paper's question on a small scale: one plan a data set. */
export const studies = {
  /** The demo's grammar, German to English: 500 pairs, 1,000 updates. */
  demo: {
    metric: 'test BLEU (13a)',
    conditions: withLong,
    seeds: seeds(30),
    tuningSeeds,
    train: { ...demoRecipe(false).train, precision },
    settings: settings({ alphas: [1, 2, 5, 10], dropouts: [0.05, 0.1, 0.2, 0.3] }),
  },
  /** TREC questions, six classes: 4,952 to train, 500 to validate (by seed 1), 500 to test. */
  trec: {
    metric: 'test accuracy',
    conditions: withLong,
    seeds: seeds(30),
    tuningSeeds,
    train: {
      ...{ task: 'classification', preset: 'classifier-small', maxUpdates: 1200 },
      ...{ precision, validation: { interval: 100 } },
    },
    settings: settings({ alphas: [0.3, 1, 3, 10], dropouts: [0.1, 0.2, 0.3, 0.4] }),
  },
  /** Tiny Shakespeare by characters, nanoGPT's CPU setting but for dropout; of the last tenth one half validates, the other tests. */
  shakespeare: {
    metric: 'test perplexity',
    conditions: directions,
    seeds: seeds(10),
    // Perplexity of 55,770 characters varies little between seeds: one seed of tuning.
    tuningSeeds: [901],
    tuningUpdates: 1000,
    // The preset has neither dropout nor a second pass, without which a KL term has nothing to act on.
    train: {
      ...{ task: 'language-model', preset: 'gpt-tiny', maxUpdates: 2000, validation: { interval: 250 } },
      ...{ model: { dropout: 0.1 }, loss: { passes: 2, alpha: 1 }, precision },
    },
    settings: settings({ alphas: [0.1, 1], dropoutsWithKl: [0.05, 0.2], dropouts: [0.02, 0.05, 0.1, 0.2] }),
  },
  /** The first 5,000 pairs of Multi30k, German to English, at D 256: few data for the model, some eight epochs. */
  multi30k: {
    metric: 'test BLEU (13a)',
    conditions: directions,
    seeds: seeds(10),
    tuningSeeds: [901],
    tuningUpdates: 800,
    pairs: 5000,
    merges: 4000,
    train: {
      ...{ preset: 'multi30k', maxMinutes: 0, maxUpdates: 1600, validation: { interval: 400 }, precision },
      ...{ batches: { maxTokens: 512 }, optimizer: { schedule: 'linear', warmupUpdates: 200 } },
    },
    settings: settings({ alphas: [2, 5], dropoutsWithKl: [0.1, 0.2], dropouts: [0.1, 0.2, 0.3, 0.4] }),
  },
};
