/** What is reported by process.emitWarning with this code while `work` runs; Node.js writes none of it. */
export async function warningsOf(code: string, work: () => unknown): Promise<string[]> {
  const messages: string[] = [];
  const others = process.listeners('warning');
  process.removeAllListeners('warning').on('warning', (warning: Error & { code?: string }) => {
    if (warning.code === code) messages.push(warning.message);
  });
  try {
    await work();
    // Warnings are reported on the next tick.
    await new Promise(setImmediate);
  } finally {
    process.removeAllListeners('warning');
    for (const other of others) process.on('warning', other);
  }
  return messages;
}
