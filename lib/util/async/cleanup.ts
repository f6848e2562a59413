/** Cleans up after a failure: what befalls the clean-up as well must not hide the error that led to it. */
export async function quietly(cleanup: () => unknown): Promise<void> {
  try {
    await cleanup();
  } catch {
    // The first error is the one that is reported.
  }
}

/**
 * Work and the clean-up that follows it in any case, as `finally` does; but when both fail, the error of the work is thrown,
 * not that of the clean-up.
 */
export async function withCleanup<T>(work: () => Promise<T>, cleanup: () => unknown): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await quietly(cleanup);
    throw error;
  }
  await cleanup();
  return result;
}
