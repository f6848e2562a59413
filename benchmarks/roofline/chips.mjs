// Peaks of the chips, as their makers state them, and what share of a peak the prediction takes for granted, with its source.
//
// peak: bfloat16 products with float32 accumulation, dense; float32 operations outside the tensor cores (an FMA is two);
// int32 instructions, 64 a clock and multiprocessor; bytes of device memory; all a second. tiles: [queries, keys] of a
// block of flash attention at heads of 128.
// share: of the peaks. fixed: seconds that each matrix product, each other kernel, takes beyond its work: start, drain and
// the step from one node of a graph to the next.

/** FlashAttention-2 (flash_fwd_launch_template.h, flash_bwd_launch_template.h), dropout off, heads of 128. */
const tilesOfSm8x = { forward: [128, 32], causal: [64, 64], backward: [64, 64] };
const tilesOfSm80 = { forward: [128, 64], causal: [128, 64], backward: [64, 128] };

const fixed = { product: 6.3e-6, kernel: 2e-6 };

export const chips = {
  'RTX 3090': {
    capability: 86,
    multiprocessors: 82,
    peak: { matrix: 71e12, float32: 35.6e12, int32: 8.9e12, memory: 936e9 },
    source: "NVIDIA's GA102 whitepaper, appendix A",
    tiles: tilesOfSm8x,
    share: { matrix: 0.8, attention: 0.5, float32: 0.5, int32: 0.8, memory: 0.85 },
    fixed,
    goalSeconds: 42,
  },
  'RTX 4090': {
    capability: 89,
    multiprocessors: 128,
    peak: { matrix: 165.2e12, float32: 82.6e12, int32: 20.6e12, memory: 1008e9 },
    source: "NVIDIA's Ada whitepaper, appendix A",
    tiles: tilesOfSm8x,
    share: { matrix: 0.8, attention: 0.5, float32: 0.5, int32: 0.8, memory: 0.85 },
    fixed,
  },
  'A100 SXM 80 GB': {
    capability: 80,
    multiprocessors: 108,
    peak: { matrix: 312e12, float32: 19.5e12, int32: 9.7e12, memory: 2039e9 },
    source: "NVIDIA's data sheet of the A100 80GB",
    tiles: tilesOfSm80,
    share: { matrix: 0.67, attention: 0.25, float32: 0.5, int32: 0.8, memory: 0.85 },
    fixed,
  },
  'H100 SXM': {
    capability: 90,
    multiprocessors: 132,
    peak: { matrix: 989e12, float32: 67e12, int32: 15.5e12, memory: 3350e9 },
    source: "NVIDIA's data sheet of the H100, half of the figure with sparsity",
    tiles: tilesOfSm80,
    share: { matrix: 0.69, attention: 0.15, float32: 0.5, int32: 0.8, memory: 0.85 },
    fixed,
  },
  'H200 SXM': {
    capability: 90,
    multiprocessors: 132,
    peak: { matrix: 989e12, float32: 67e12, int32: 15.5e12, memory: 4800e9 },
    source: "NVIDIA's data sheet of the H200, half of the figure with sparsity",
    tiles: tilesOfSm80,
    share: { matrix: 0.69, attention: 0.15, float32: 0.5, int32: 0.8, memory: 0.85 },
    fixed,
    goalSeconds: 5.5,
  },
};

/** The chip a driver's name stands for: 'NVIDIA GeForce RTX 3090' is 'RTX 3090', but 'RTX 3090 Ti' is not. */
export function chipOf(deviceName) {
  const name = deviceName.replace(/NVIDIA|GeForce/g, '').trim();
  if (/RTX [34]090$/.test(name)) return chips[name];
  if (/^A100.*SXM.*80GB/.test(name)) return chips['A100 SXM 80 GB'];
  if (/^H100 80GB HBM3/.test(name)) return chips['H100 SXM'];
  if (/^H200$/.test(name)) return chips['H200 SXM'];
  return undefined;
}
