/** What a direction of a sweep sets in the loss, and the way back: sweeps, their queue, the live page and the report agree on it here. */

/** The options of the loss that a direction fixes. The baseline has two passes and α 0; one-pass has neither KL nor second pass. */
export function lossOfDirection(direction: string): Record<string, unknown> {
  if (direction === 'baseline') return { alpha: 0 };
  if (direction === 'one-pass') return { passes: 1, alpha: 0, direction: 'uni' };
  return { direction };
}

/** The direction of a run by its loss. */
export function directionOf(loss: { direction: string; alpha: number; passes?: number | undefined }): string {
  if (loss.passes === 1) return 'one-pass';
  return loss.alpha === 0 ? 'baseline' : loss.direction;
}

/** Whether a direction has a KL term, and so an α. */
export const hasAlpha = (direction: string): boolean => direction !== 'baseline' && direction !== 'one-pass';
