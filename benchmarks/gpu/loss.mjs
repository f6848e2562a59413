// The loss operation against the device's own copy of the same bytes. N target positions of one pass, V classes.
import { native } from '../../dist/native/binding.js';
import { spread } from './stages.mjs';

/** A block of normal numbers over and over, as float32 or as bfloat16's bits; the second pass is like the first but not equal. */
function logitsOf(precision, rows, classes, seed) {
  const first = new Float32Array((1 << 20) + 7);
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < first.length; i++) {
    first[i] = 2 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  }
  const second = first.map((value) => value + 0.5 * (uniform() - 0.5));
  const half = rows * classes;
  const logits = precision === 'float32' ? new Float32Array(2 * half) : new Uint16Array(2 * half);
  for (const [pass, values] of [first, second].entries()) {
    const block = precision === 'float32' ? values : bfloat16Bits(values);
    for (let at = 0; at < half; at += block.length) {
      logits.set(block.subarray(0, Math.min(block.length, half - at)), pass * half + at);
    }
  }
  return logits;
}

const bfloat16Bits = (values) =>
  new Uint16Array(new Uint32Array(values.buffer).map((word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16));

export async function lossRows({ lossShape, loss, seed, device }) {
  const { rows, classes, rounds, repeats } = lossShape;
  const targets = Int32Array.from({ length: rows }, (_, i) => 4 + ((i * 7919) % (classes - 4)));
  const found = [];
  for (const precision of ['bfloat16', 'float32']) {
    const logits = logitsOf(precision, rows, classes, seed);
    const times = new Map();
    const note = (name, seconds) => times.set(name, [...(times.get(name) ?? []), ...seconds]);
    for (let round = 0; round < rounds; round++) {
      for (const direction of ['uni', 'uni-reverse', 'bi']) {
        const options = { ...loss, direction };
        const measured = await native().timeLoss(logits, classes, targets, options, repeats, {
          ...{ seed, device, precision: device === 'cpu' ? 'float32' : precision },
        });
        note(direction, measured.loss);
        note('memoryCopy', measured.memoryCopy);
        note('tensorCopy', measured.tensorCopy);
      }
    }
    const copies = [spread(times.get('memoryCopy')), spread(times.get('tensorCopy'))];
    // The faster of the two ways to copy is the device's own.
    const copy = copies[0].median < copies[1].median ? copies[0] : copies[1];
    const bytes = 2 * logits.byteLength;
    for (const direction of ['uni', 'uni-reverse', 'bi']) {
      const time = spread(times.get(direction));
      found.push({
        ...{ side: 'rdrop', direction, precision, rows, classes, bytes, ...time },
        ...{ gigabytesPerSecond: bytes / time.median / 1e9, copy, shareOfCopy: copy.median / time.median },
      });
    }
  }
  return found;
}
