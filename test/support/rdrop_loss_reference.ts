// The R-Drop loss by its definition, in float64, one row after the other. The gradient goes through the log-probabilities
// (chain rule), not through the closed form that the kernels use.
import type { NativeLoss, NativeLossOptions } from '../../lib/native/contract.js';

export interface ReferenceLoss extends NativeLoss {
  gradient: Float64Array;
}

function logSoftmax(z: Float64Array): Float64Array {
  const largest = z.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = Math.log(z.reduce((total, x) => total + Math.exp(x - largest), 0));
  return z.map((x) => x - largest - sum);
}

/** Σ P (log P - log Q); a probability that underflowed adds nothing. */
const divergence = (p: Float64Array, q: Float64Array) =>
  p.reduce((sum, l, v) => sum + (Math.exp(l) > 0 ? Math.exp(l) * (l - q[v]!) : 0), 0);

/** logits [2N,V], targets [N]. */
export function referenceLoss(
  logits: ArrayLike<number>,
  classes: number,
  targets: Int32Array,
  options: NativeLossOptions,
): ReferenceLoss {
  const rows = targets.length;
  const all = Float64Array.from(logits);
  const gradient = new Float64Array(all.length);
  const weight = options.passReduction === 'mean' ? 0.5 : 1;
  const forward = { uni: 1, 'uni-reverse': 0, bi: 0.5 }[options.direction];
  const reverse = 1 - forward;
  const smoothing = options.labelSmoothing;
  const result = { loss: 0, crossEntropy: 0, nll: 0, kl: 0, tokens: 0, gradient };
  for (let n = 0; n < rows; n++) {
    const target = targets[n]!;
    if (target === options.ignoreIndex) continue;
    result.tokens += 1;
    const starts = [n * classes, (rows + n) * classes];
    const [l1, l2] = starts.map((start) => logSoftmax(all.subarray(start, start + classes))) as [
      Float64Array,
      Float64Array,
    ];
    for (const l of [l1, l2]) {
      result.nll -= weight * l[target]!;
      const mean = l.reduce((sum, x) => sum + x, 0) / classes;
      result.crossEntropy -= weight * ((1 - smoothing) * l[target]! + smoothing * mean);
    }
    if (forward > 0) result.kl += forward * divergence(l1, l2);
    if (reverse > 0) result.kl += reverse * divergence(l2, l1);

    // By the log-probabilities first, then through the softmax of each pass.
    const by = [new Float64Array(classes), new Float64Array(classes)] as const;
    for (let v = 0; v < classes; v++) {
      const wanted = (v === target ? 1 - smoothing : 0) + smoothing / classes;
      const [p1, p2] = [Math.exp(l1[v]!), Math.exp(l2[v]!)];
      const gap = l1[v]! - l2[v]!;
      const own = (p: number, difference: number) => (p > 0 ? p * (difference + 1) : 0);
      const kl1 = (forward > 0 ? forward * own(p1, gap) : 0) - reverse * p2;
      const kl2 = (reverse > 0 ? reverse * own(p2, -gap) : 0) - forward * p1;
      by[0][v] = -weight * wanted + (options.alpha > 0 ? options.alpha * kl1 : 0);
      by[1][v] = -weight * wanted + (options.alpha > 0 ? options.alpha * kl2 : 0);
    }
    for (const [pass, l] of [l1, l2].entries()) {
      const sum = by[pass]!.reduce((total, x) => total + x, 0);
      for (let v = 0; v < classes; v++) gradient[starts[pass]! + v] = by[pass]![v]! - Math.exp(l[v]!) * sum;
    }
  }
  result.loss = result.crossEntropy + (options.alpha > 0 ? options.alpha * result.kl : 0);
  return result;
}

/** The bits of the bfloat16 nearest to each number (ties to even). */
export function toBfloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
}

/** The numbers that bfloat16 bits stand for. */
export function fromBfloat16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);
}
