// Relu in comparisons of a rounded model with an exact one. At its kink the gradient of a unit jumps from all to nothing:
// where a rounding brings a pre-activation to the other side of zero, gradients differ by far more than it rounded.
import type { FloatArray } from '../../lib/native/contract.js';

/** Of either sign; pre-activations of a fresh model deviate by 0.8. */
const bias = 6;

/**
 * Parameters whose relu units are far from their kink: half of them pass, half do not, whatever a rounding does. In the
 * arrays' own type.
 */
export function withoutKinks<T extends FloatArray>(parameters: Map<string, T>): Map<string, T> {
  const moved = [...parameters].map(([name, values]): [string, T] => [
    name,
    name.endsWith('fc1.bias') ? (values.map((_, i) => (i % 2 === 0 ? bias : -bias)) as T) : values,
  ]);
  return new Map(moved);
}
