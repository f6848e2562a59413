import { RdropError } from '../errors.js';
import { codeOfSystemError } from '../system_error.js';

/** Turns a file system error into a coded one that names the file. */
export function fileError(error: unknown, path: string, doing: 'read' | 'write'): RdropError {
  if (error instanceof RdropError) return error;
  const code = codeOfSystemError(error, doing);
  const options = { cause: error };
  if (code === 'DISK_FULL') {
    return new RdropError('DISK_FULL', `${path}: no space left on the device; nothing was replaced`, options);
  }
  if (code === 'FILE_NOT_FOUND') {
    return new RdropError('FILE_NOT_FOUND', `${path}: no such file or directory`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'OUT_OF_MEMORY') return new RdropError(code, `${path}: ${reason}`, options);
  return doing === 'read'
    ? new RdropError('FILE_UNREADABLE', `${path}: could not be read (${reason})`, options)
    : new RdropError('FILE_UNWRITABLE', `${path}: could not be written (${reason})`, options);
}
