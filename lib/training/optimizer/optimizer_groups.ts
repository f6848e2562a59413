/** Which parameters are updated how: the groups that the native optimizer takes, made from the names of the parameters. */
import type { NativeParameterGroup } from '../../native/contract.js';
import type { OptimizerConfig } from '../../options/optimizer.js';
import { RdropError } from '../../util/errors.js';
import { mostSimilar } from '../../util/similar.js';

/** Name and shape, as NativeTransformer.parameterShapes has them. */
export type ParameterShapes = readonly (readonly [name: string, shape: readonly number[]])[];

type GroupOptions = Pick<OptimizerConfig, 'layerDecay' | 'freeze' | 'weightDecayOn'>;

const embeddings = /^(?:encoder|decoder)\.(?:embed_\w+|layernorm_embedding)\./;
const layers = /^(encoder|decoder)\.layers\.(\d+)\./;

/**
 * A group for each parameter, in their order; null where all are updated alike.
 *
 * @throws RdropError INVALID_CONFIG where a pattern of `freeze` is none or fits no parameter, or nothing is left to train
 */
export function optimizerGroups(
  parameters: ParameterShapes,
  { layerDecay, freeze, weightDecayOn }: GroupOptions,
): NativeParameterGroup[] | null {
  if (layerDecay === 1 && freeze.length === 0 && weightDecayOn === 'all') return null;
  const names = parameters.map(([name]) => name);
  const depthOf = depths(names);
  const frozen = frozenNames(names, freeze);
  if (frozen.size === names.length)
    throw new RdropError(
      'INVALID_CONFIG',
      `train.optimizer.freeze: freezes every parameter; nothing is left to train`,
    );
  return parameters.map(([name, shape]) => ({
    name,
    rate: frozen.has(name) ? 0 : layerDecay ** depthOf(name),
    decay: weightDecayOn === 'all' || shape.length > 1,
  }));
}

/** How far a parameter lies below the head, in layers: the encoder's lie below the decoder's, the embeddings below all. */
function depths(names: readonly string[]): (name: string) => number {
  const count = (stack: string) =>
    Math.max(
      0,
      ...names.map((name) => (layers.exec(name)?.[1] === stack ? Number(layers.exec(name)![2]) + 1 : 0)),
    );
  const layerCount = { encoder: count('encoder'), decoder: count('decoder') };
  return (name) => {
    if (embeddings.test(name)) return layerCount.encoder + layerCount.decoder + 1;
    const above = name.startsWith('encoder.') ? layerCount.decoder : 0;
    const layer = layers.exec(name);
    if (layer === null) return above; // the head, or the norm at the end of a stack
    return above + layerCount[layer[1] as 'encoder' | 'decoder'] - Number(layer[2]);
  };
}

function frozenNames(names: readonly string[], freeze: readonly string[]): Set<string> {
  const frozen = new Set<string>();
  for (const [i, pattern] of freeze.entries()) {
    const fits = matcher(pattern);
    const found = names.filter(fits);
    if (found.length === 0) {
      const meant = mostSimilar(pattern, [...new Set(['embeddings', ...names.flatMap(beginnings)])]);
      throw new RdropError(
        'INVALID_CONFIG',
        `train.optimizer.freeze[${i}]: expected a name of a parameter or its beginning, as encoder.layers.0, encoder.layers.0-5, ` +
          `decoder.*.bias or embeddings; no parameter of this model fits ${JSON.stringify(pattern)}` +
          `${meant === null ? '' : `; did you mean ${meant}?`}`,
      );
    }
    for (const name of found) frozen.add(name);
  }
  return frozen;
}

/** `a.b.c` → `a`, `a.b`, `a.b.c`. */
const beginnings = (name: string): string[] => {
  const parts = name.split('.');
  return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
};

/** Whether a name begins with the parts of a pattern. */
function matcher(pattern: string): (name: string) => boolean {
  if (pattern === 'embeddings') return (name) => embeddings.test(name);
  const parts = pattern.split('.').map(partMatcher);
  return (name) => {
    const given = name.split('.');
    return parts.length <= given.length && parts.every((fits, i) => fits(given[i]!));
  };
}

function partMatcher(part: string): (given: string) => boolean {
  const range = /^(\d+)-(\d+)$/.exec(part);
  if (range !== null) {
    return (given) =>
      /^\d+$/.test(given) && Number(given) >= Number(range[1]) && Number(given) <= Number(range[2]);
  }
  const escaped = part.split('*').map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const whole = new RegExp(`^${escaped.join('.*')}$`);
  return (given) => whole.test(given);
}
