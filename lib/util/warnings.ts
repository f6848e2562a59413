/** What may be meant and is probably not; the work continues. The codes are stable, as those of errors. */
export const warningCodes = {
  NO_DROPOUT: 'α is above 0 while no dropout makes the two passes differ: the KL term is 0',
  UNFIT_TOKENIZER:
    'BLEU counts words of a language that is written without spaces, or whose words carry their endings',
  PIECES: 'text looks as if another program had cut its words into pieces',
  METRICS_DAMAGED: 'metrics.jsonl has a line that cannot be read, or fewer than its checkpoint counts',
  OVERLONG: 'sentences that are too long for the model or a batch were left out or cut, as was asked for',
  INIT_PARTIAL: 'a run that begins with the parameters of another took only some of them',
  QUEUE_AWAY: 'the queue of a sweep does not answer; its trials go on when it does',
  TRIAL_REFUSED:
    'a worker gave a trial back, because it has not the data, device or version that the trial needs',
  NO_CUDA_GRAPH: 'kernels are launched one by one, not as a CUDA graph',
  WORLD_SIZE: 'a run continues with another number of processes than it was trained by',
} as const;

export type WarningCode = keyof typeof warningCodes;

export interface RdropWarning {
  code: WarningCode;
  message: string;
}

const told = new Set<string>();

/**
 * The one way of every warning: process.emitWarning with the name RdropWarning and the code, once a process for each text. A
 * program hears it by process.on('warning'); where nobody does, Node.js writes it on standard error (`--no-warnings` stops that).
 * Where there are events (fit, sweep) it is one too.
 */
export function warn(warning: RdropWarning): void {
  const { code, message } = warning;
  const key = `${code} ${message}`;
  if (told.has(key)) return;
  told.add(key);
  process.emitWarning(message, { type: 'RdropWarning', code });
}
