/**
 * Every failure that rdrop reports has a stable code. The message says what was expected, for which option or
 * file and line, and what came. The native core throws the same codes (native/core/errors.h).
 */
export const errorCodes = {
  INVALID_ARGUMENT: 'a value passed to a function has the wrong type, shape or range',
  INVALID_CONFIG: 'a configuration has an unknown key or a value outside its range',
  NON_FINITE: 'NaN or infinity where a finite number is needed',
  TOKEN_OUT_OF_RANGE: 'a token id lies outside the dictionary',
  DISPOSED: 'the object was used after dispose()',
  BUSY: 'the object is already working on a call that excludes this one',
  ABORTED: 'the work was aborted through its AbortSignal',
  FILE_NOT_FOUND: 'a file or directory does not exist',
  FILE_EMPTY: 'a file that must have content is empty',
  FILE_UNREADABLE: 'a file could not be read',
  FILE_UNWRITABLE: 'a file could not be written',
  DISK_FULL: 'no space is left on the device',
  INVALID_UTF8: 'a text file is not valid UTF-8',
  LINE_COUNT_MISMATCH: 'the two sides of a parallel corpus differ in their number of lines',
  UNKNOWN_LABEL: 'a label does not occur in the training data',
  ONE_CLASS: 'the training data of a classifier has fewer than two classes',
  MALFORMED_FILE: 'a file does not have the format it should have',
  TOO_LARGE: 'a file, or what it unpacks to, is larger than a limit that the message names',
  CHECKPOINT_CORRUPT: 'a checkpoint is incomplete or damaged',
  CHECKPOINT_MISMATCH: 'a checkpoint belongs to another configuration',
  UNSAFE_PICKLE:
    'a pickle holds something other than tensors and plain data, such as code, or more than it may make',
  NOT_EXPRESSIBLE: 'a model or its text has a property that the other program cannot express',
  MANIFEST_MISMATCH: 'a file is not the one that its directory says it holds',
  RUN_EXISTS: 'the run directory already holds a run of another configuration',
  RUN_LOCKED: 'another process is writing to the directory of the run, the sweep or the data',
  RUN_LOST: 'another process took the directory over while this one was writing to it',
  PLATFORM_UNSUPPORTED: 'rdrop does not run on this operating system, processor or C library',
  ADDON_NOT_FOUND: 'the native addon was not found or could not be loaded',
  ADDON_VERSION: 'the native addon and the TypeScript of rdrop are of different versions',
  LIBTORCH_NOT_FOUND: 'no libtorch was found',
  LIBTORCH_UNUSABLE: 'a libtorch was found but is incomplete or could not be opened',
  LIBTORCH_VERSION: 'the libtorch found does not match the one the addon was compiled for',
  CACHE_UNTRUSTED:
    'the cache of libtorch, or a file in it, is not as setup left it or can be changed by others',
  LIBTORCH_DOWNLOAD: 'libtorch could not be downloaded or unpacked',
  TOOL_MISSING: 'a program that is needed is not installed',
  TRIAL_FAILED: 'a trial of a sweep failed',
  QUEUE_UNAVAILABLE: 'the queue of a sweep does not answer, or refuses what was sent',
  PACKAGE_MISSING: 'an optional package is not installed',
  CUDA_UNAVAILABLE: 'CUDA was asked for, but there is no driver, device, library or chip that can be used',
  CUDA_FAILED: 'CUDA reported an error',
  DISTRIBUTED_UNAVAILABLE:
    'a run over several processes was asked for, but its library or the address where they meet cannot be used',
  RANK_LOST: 'a process of a run over several gave no sign of life, or its connection closed',
  RANK_FAILED: 'a process of a run over several ended with an error of its own',
  RANKS_DIFFER: 'the processes of a run over several have other options, data or versions',
  OUT_OF_MEMORY: 'memory could not be allocated',
  PROCESS_LIMIT:
    'a limit of the process or the system (threads, for instance) does not allow what is asked for',
  BENCHMARK_FAILED: 'the peer of a benchmark ended, or its result and ours differ',
  INTERNAL: 'a failure inside libtorch or rdrop that has no code of its own',
} as const;

export type ErrorCode = keyof typeof errorCodes;
