import type { Transformer } from '../model/transformer.js';
import { describe, reservedMetrics, type TrainConfig } from '../options/index.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';

/**
 * Measures the model at a validation, after its loss and BLEU. The metrics go to the event `validation`, to metrics.jsonl and to
 * the report; `validation.metric` may name one of them to pick the best checkpoint.
 *
 * @param model the one that is trained, with the parameters of this update: `translate`, `logits`, `lossAndGradients` (dropout off)
 *   and `save` as always; dispose() throws BUSY
 * @param update updates done
 * @param work `signal` is aborted when fit() is to end. A hook that then rejects, or resolves, leaves no trace: the validation is
 *   repeated when the run continues.
 * @returns finite numbers by name; a name of rdrop's own metrics (`reservedMetrics`) is refused
 */
export type ValidationHook = (
  model: Transformer,
  update: number,
  work: { signal: AbortSignal },
) => Promise<Record<string, number>> | Record<string, number>;

/** The name of the hook's metric that picks the best checkpoint, if one does. */
export function hookMetric({ validation }: TrainConfig): { name: string; mode: 'max' | 'min' } | null {
  return typeof validation.metric === 'string' ? null : validation.metric;
}

/** @throws RdropError INVALID_ARGUMENT where there is no hook whose metric picks the best checkpoint */
export function checkHook(hook: unknown, config: TrainConfig): asserts hook is ValidationHook | undefined {
  if (hook !== undefined && typeof hook !== 'function')
    throw new RdropError('INVALID_ARGUMENT', `fit: validate: expected a function, got ${describe(hook)}`);
  const chosen = hookMetric(config);
  if (chosen === null || hook !== undefined) return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `fit: validate: expected a function whose metric ${describe(chosen.name)} picks the best checkpoint ` +
      '(validation.metric), got nothing',
  );
}

/**
 * What the hook says of the model.
 *
 * @throws RdropError ABORTED, INVALID_ARGUMENT (no object of numbers, a reserved name, without the metric that picks the best
 *   checkpoint), NON_FINITE; and whatever the hook throws
 */
export async function runHook(
  hook: ValidationHook,
  { model, update, config, signal }: HookWork,
): Promise<Record<string, number>> {
  let found: unknown;
  try {
    found = await hook(model, update, { signal });
  } catch (error) {
    throwIfAborted(signal, 'the validation');
    throw error;
  }
  throwIfAborted(signal, 'the validation');
  return checkedMetrics(found, config);
}

interface HookWork {
  model: Transformer;
  update: number;
  config: TrainConfig;
  signal: AbortSignal;
}

function checkedMetrics(found: unknown, config: TrainConfig): Record<string, number> {
  const refuse = (code: 'INVALID_ARGUMENT' | 'NON_FINITE', what: string, expected: string, got: unknown) =>
    new RdropError(code, `${what}: expected ${expected}, got ${describe(got)}`);
  if (typeof found !== 'object' || found === null || Array.isArray(found) || ArrayBuffer.isView(found))
    throw refuse('INVALID_ARGUMENT', 'fit: validate', 'an object of numbers by name', found);
  const metrics = Object.entries(found);
  for (const [name, value] of metrics) {
    const what = `fit: validate: ${describe(name)}`;
    if (name === '' || reservedMetrics.includes(name)) {
      const others = `another name than ${reservedMetrics.join(', ')}`;
      throw new RdropError('INVALID_ARGUMENT', `${what}: expected ${others}, which rdrop uses itself`);
    }
    if (typeof value !== 'number') throw refuse('INVALID_ARGUMENT', what, 'a number', value);
    if (!Number.isFinite(value)) throw refuse('NON_FINITE', what, 'a finite number', value);
  }
  const chosen = hookMetric(config);
  if (chosen !== null && !metrics.some(([name]) => name === chosen.name)) {
    const got = metrics.length === 0 ? 'none' : metrics.map(([name]) => name).join(', ');
    throw new RdropError(
      'INVALID_ARGUMENT',
      `fit: validate: expected the metric ${describe(chosen.name)}, which picks the best checkpoint, got ${got}`,
    );
  }
  return Object.fromEntries(metrics) as Record<string, number>;
}
