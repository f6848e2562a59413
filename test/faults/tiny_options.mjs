/** Of a run that is over within a second and has validations, checkpoints and a test in it. */
export const tinyOptions = {
  seed: 3,
  device: 'cpu',
  threads: 1,
  model: { embedDim: 16, ffnDim: 16, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
  optimizer: { learningRate: 5e-3, warmupUpdates: 4 },
  batches: { maxTokens: 64 },
  maxUpdates: 6,
  logInterval: 2,
  checkpointInterval: 3,
  validation: { interval: 2, metric: 'loss' },
  test: { beam: { beam: 1, maxLenA: 0, maxLenB: 5 } },
};
