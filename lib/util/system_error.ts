import type { ErrorCode } from './error_codes.js';

/** Calls of Node's that only look at files. */
const reading = new Set([
  'access',
  'stat',
  'lstat',
  'fstat',
  'statfs',
  'read',
  'readlink',
  'realpath',
  'scandir',
  'opendir',
]);
/** Calls that change files; `open` may do either. */
const writing = new Set([
  ...[
    'open',
    'write',
    'writev',
    'fsync',
    'fdatasync',
    'ftruncate',
    'truncate',
    'close',
    'copyfile',
    'futime',
    'utime',
  ],
  ...['chmod', 'fchmod', 'link', 'symlink', 'mkdir', 'mkdtemp', 'rename', 'rm', 'rmdir', 'unlink'],
]);

/**
 * The code of a failed file call, or null for whatever else was thrown (a process that could not be started, a
 * connection, a fault of the program).
 *
 * @param doing what the call was for; without it the name of the call decides
 */
export function codeOfSystemError(error: unknown, doing?: 'read' | 'write'): ErrorCode | null {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof code !== 'string') return null;
  const call = syscall ?? '';
  if (doing === undefined && !reading.has(call) && !writing.has(call)) return null;
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'DISK_FULL';
  if (code === 'ENOMEM') return 'OUT_OF_MEMORY';
  // Of an `open` whose purpose is not known, only a file system that takes no writes shows it.
  const reads =
    doing === undefined ? reading.has(call) || (call === 'open' && code !== 'EROFS') : doing === 'read';
  if (!reads) return 'FILE_UNWRITABLE';
  return code === 'ENOENT' ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE';
}
