// Every parameter of every composition of the network has a group.
import { expect, test } from 'vitest';
import { groupOf } from '../../lib/theory/parameter_groups.js';
import { networks } from '../support/compositions.js';

test.each(networks)('%s', (_, { gradients }) => {
  for (const name of Object.keys(gradients)) {
    const { group, layer } = groupOf(name);
    expect(layer === null, name).toBe(!name.includes('.layers.'));
    expect(group === 'head', name).toBe(name.startsWith('classification_heads.'));
    expect(group === 'embeddings', name).toBe(/\.embed_|output_projection/.test(name));
    expect(group === 'layer norms', name).toBe(/layer_?norm/.test(name));
  }
});

test('another name is refused', () => {
  expect(() => groupOf('encoder.version')).toThrow(/expected one of fairseq's names/);
});
