import type { RunRow } from '../../watch/messages.js';

/** Numbers and states as the page writes them; an absent one is a dash. */
const none = '—';
const finite = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export const fixed = (value: number | null, digits: number): string =>
  finite(value) ? value.toFixed(digits) : none;
export const whole = (value: number | null): string =>
  finite(value) ? Math.round(value).toLocaleString('en-US') : none;

export function duration(seconds: number | null): string {
  if (!finite(seconds)) return none;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function memory(bytes: number | null): string {
  if (!finite(bytes)) return none;
  return bytes < 1 << 30 ? `${Math.round(bytes / (1 << 20))} MiB` : `${(bytes / (1 << 30)).toFixed(1)} GiB`;
}

/** A run's state, and after which rung a search dropped it. */
export const stateText = ({ state, rung }: Pick<RunRow, 'state' | 'rung'>): string =>
  state === 'dropped' ? `dropped (halving, rung ${rung})` : state;

/** 1 run, 2 runs. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
