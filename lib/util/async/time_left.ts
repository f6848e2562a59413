/** How long work will still take, from the share of it that was done since it began. */
export class TimeLeft {
  readonly #began: number;
  readonly #first: number;

  /** @param share done already: a resumed run does not begin at 0 */
  constructor(share = 0, now = performance.now()) {
    this.#began = now;
    this.#first = share;
  }

  /** Seconds until the share is 1; null while nothing is known. */
  seconds(share: number, now = performance.now()): number | null {
    const done = share - this.#first;
    if (!(done > 0)) return share >= 1 ? 0 : null;
    return (((now - this.#began) / 1000) * Math.max(0, 1 - share)) / done;
  }
}

/** '2 h 05 min', '3 min 20 s' or '12 s'; '-' where it is not known. */
export function durationText(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return '-';
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
