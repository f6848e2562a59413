/** Null, or why there is no compiled CUDA flavor to test. npm run check:cuda tells it. */
export const noFlavor: string | null = process.env['RDROP_NO_CUDA_FLAVOR'] ?? null;

/** Null, or why there is no mock CUDA runtime to test on. */
export const noMock: string | null = process.env['RDROP_NO_CUDA_MOCK'] ?? noFlavor;
