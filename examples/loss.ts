// The loss alone: two passes over three target positions with five classes.
import { rdropLoss } from 'rdrop';

const classes = 5;
const targets = Int32Array.of(1, 4, 2);
// Rows 0 to 2 are the logits of pass 1, rows 3 to 5 those of pass 2.
const logits = Float32Array.from({ length: 2 * targets.length * classes }, (_, i) => Math.sin(i));

for (const direction of ['uni', 'uni-reverse', 'bi'] as const) {
  const result = await rdropLoss(logits, classes, targets, { direction, alpha: 5, labelSmoothing: 0.1 });
  const { loss, crossEntropy, kl, tokens, gradient } = result;
  console.log(
    `${direction}: loss ${(loss / tokens).toFixed(4)} a token = cross-entropy ${(crossEntropy / tokens).toFixed(4)}`,
    `+ 5 × KL ${(kl / tokens).toFixed(4)}; the gradient has ${gradient.length} elements`,
  );
}
