// R-Drop for a model of your own: a classifier whose logits are computed here, and whose gradient comes from rdropLossSync,
// as in another library's custom gradient. Node 22.18 and later run TypeScript as it is: node examples/classifier.ts
import { rdropLossSync } from 'rdrop';

const features = 8;
const classes = 3;
const dropout = 0.3;

/** Numbers between 0 and 1, always the same. */
let state = 1;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Points around one center a class. */
function points(count: number) {
  const targets = Int32Array.from({ length: count }, (_, i) => i % classes);
  const inputs = Float64Array.from({ length: count * features }, (_, at) => {
    const row = Math.floor(at / features);
    return Number(at % classes === targets[row]) + 2 * (random() - 0.5);
  });
  return { inputs, targets };
}

const weights = new Float64Array(classes * features);

/** inputs [rows, features] → logits [rows, classes]. */
const logitsOf = (inputs: Float64Array) =>
  Float64Array.from({ length: (inputs.length / features) * classes }, (_, at) => {
    const [row, label] = [Math.floor(at / classes), at % classes];
    let sum = 0;
    for (let k = 0; k < features; k++) sum += inputs[row * features + k]! * weights[label * features + k]!;
    return sum;
  });

const withDropout = (inputs: Float64Array) =>
  inputs.map((value) => (random() < dropout ? 0 : value / (1 - dropout)));

/** One step of gradient descent; returns the loss and the KL divergence of a row. */
function step(inputs: Float64Array, targets: Int32Array, learningRate: number) {
  // The same rows twice under different masks: pass 1, then pass 2.
  const both = new Float64Array(2 * inputs.length);
  both.set(withDropout(inputs), 0);
  both.set(withDropout(inputs), inputs.length);
  const { loss, kl, tokens, gradient } = rdropLossSync(logitsOf(both), classes, targets, {
    direction: 'bi',
    alpha: 1,
  });
  // The gradient of both passes by their logits, undivided: on through the linear layer, as any other.
  for (let row = 0; row < 2 * targets.length; row++)
    for (let label = 0; label < classes; label++)
      for (let k = 0; k < features; k++) {
        const slope = gradient[row * classes + label]! * both[row * features + k]!;
        weights[label * features + k]! -= (learningRate * slope) / tokens;
      }
  return { loss: loss / tokens, kl: kl / tokens };
}

/** The share of the rows whose largest logit is that of their class. */
function accuracy(inputs: Float64Array, targets: Int32Array): number {
  const logits = logitsOf(inputs);
  const right = targets.filter((target, row) => {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    return own[target] === Math.max(...own);
  });
  return right.length / targets.length;
}

const train = points(300);
const held = points(300);
export const losses: number[] = [];
for (let epoch = 0; epoch < 60; epoch++) {
  const { loss, kl } = step(train.inputs, train.targets, 0.2);
  losses.push(loss);
  if (epoch % 20 === 19)
    console.log(`step ${epoch + 1}: loss ${loss.toFixed(3)} a row, of it KL ${kl.toFixed(4)}`);
}
export const heldAccuracy = accuracy(held.inputs, held.targets);
console.log(`accuracy on other points: ${heldAccuracy.toFixed(3)}`);
