// The batches of IWSLT'14 for benchmarks: real lengths (batches.txt), random tokens. peers/iwslt14.py makes the same.
export * from '../../dist/benchmark/iwslt14.js';
