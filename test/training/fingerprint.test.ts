// Checkpoints name the configuration that made them: those of every earlier version must still be accepted.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig, type TrainConfig, trainSchema } from '../../lib/options/index.js';
import { mergeOptions } from '../../lib/options/presets.js';
import { fingerprint } from '../../lib/training/fingerprint.js';

/** Configurations of 0.1 with the fingerprints that it gave them; seven of different options. */
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/training/fingerprints.json', import.meta.url), 'utf8'),
) as Record<string, { config: TrainConfig; fingerprint: string }>;
const parsed = (config: object) => parseConfig(trainSchema, config, 'config.json');

describe('the fingerprint of a configuration', () => {
  it.each(Object.entries(recorded))('is that of 0.1: %s', (_, { config, fingerprint: expected }) => {
    expect(fingerprint(parsed(config))).toBe(expected);
  });

  it.each([
    ['task', { task: 'regression' }],
    ['batches.maxSentences', { batches: { maxSentences: 3 } }],
    ['batches.tokensPerSample', { batches: { tokensPerSample: 8 } }],
    ['model.dropout', { model: { dropout: 0.4 } }],
  ])('is another with another %s', (_, change) => {
    const { config, fingerprint: expected } = recorded['tiny']!;
    expect(fingerprint(parsed(mergeOptions(config, change)))).not.toBe(expected);
  });

  it('does not depend on where things lie', () => {
    const { config, fingerprint: expected } = recorded['tiny']!;
    const moved = { ...config, data: 'd', runDirectory: 'r', init: 'i', maxUpdates: 3 };
    expect(fingerprint(parsed(moved))).toBe(expected);
  });
});
