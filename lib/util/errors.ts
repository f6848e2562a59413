import { type ErrorCode, errorCodes } from './error_codes.js';
import { codeOfSystemError } from './system_error.js';

export { type ErrorCode, errorCodes } from './error_codes.js';

/** Characters of a message; what files hold is quoted in some, and can be as long as it likes. */
const longestMessage = 8000;

/** The beginning and the end, where the next command to type stands. */
function bounded(message: string): string {
  if (message.length <= longestMessage) return message;
  const end = longestMessage / 4;
  const left = message.length - longestMessage;
  return `${message.slice(0, longestMessage - end)} … (${left} characters left out) … ${message.slice(-end)}`;
}

export class RdropError extends Error {
  override readonly name = 'RdropError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(bounded(message), options);
    this.code = code;
  }
}

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && code in errorCodes;

/** Turns whatever was thrown into an RdropError; one that already is stays as it is. */
export function asRdropError(error: unknown): RdropError {
  if (error instanceof RdropError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  const known = isErrorCode(code) ? code : codeOfSystemError(error);
  return new RdropError(known ?? 'INTERNAL', message, { cause: error });
}

/** Calls into the native core without waiting for another thread: what it throws becomes an RdropError. */
export function fromNativeSync<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asRdropError(error);
  }
}

/**
 * Awaits a call into the native core. A native error is born on another thread, without a stack: it is thrown here
 * as an RdropError with the stack of the call of `caller`.
 */
export async function fromNative<T>(call: () => T | Promise<T>): Promise<T> {
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, fromNative);
  try {
    return await call();
  } catch (error) {
    const wrapped = asRdropError(error);
    if (!(error instanceof RdropError)) {
      const frames = (site.stack ?? '').split('\n').slice(1).join('\n');
      wrapped.stack = `${wrapped.name} [${wrapped.code}]: ${wrapped.message}\n${frames}`;
    }
    throw wrapped;
  }
}
