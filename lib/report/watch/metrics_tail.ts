import { open } from 'node:fs/promises';
import { currentLineType } from '../../training/metrics.js';
import type { WatchLine } from './messages.js';

const numberOr = <T>(value: unknown, other: T): number | T =>
  typeof value === 'number' && Number.isFinite(value) ? value : other;

/** BLEU of a translation; of another task the first of its figures. */
function scoreOf({ bleu, scores }: Record<string, unknown>): Pick<WatchLine, 'score' | 'metric'> {
  if (typeof scores !== 'object' || scores === null) return { score: numberOr(bleu, null), metric: null };
  const [name = null, value] = Object.entries(scores)[0] ?? [];
  return { score: numberOr(value, null), metric: name };
}

/** Null for what is no line of metrics, such as one that is half written. */
export function watchLine(text: string): WatchLine | null {
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const type = currentLineType(String(value['type']));
    const update = value['update'];
    if ((type !== 'train' && type !== 'validation') || typeof update !== 'number') return null;
    return {
      type,
      update,
      epoch: numberOr(value['epoch'], 1),
      loss: numberOr(value['loss'], null),
      kl: numberOr(value['kl'], null),
      ...scoreOf(value),
      learningRate: numberOr(value['learningRate'], null),
      tokensPerSecond: numberOr(value['tokensPerSecond'], null),
      seconds: numberOr(value['seconds'], 0),
      validationSeconds: numberOr(value['validationSeconds'], 0),
    };
  } catch {
    return null;
  }
}

/** Of a file that is seen for the first time, so many bytes of its end are read. */
const firstBytes = 32 << 10;
/** What is read of a file at a time. */
const most = 4 << 20;

/**
 * The end of a metrics.jsonl that grows: only what was appended is read. A file that was replaced or became shorter, as when a run is
 * resumed, begins a new generation, of which the end is read anew.
 */
export class MetricsTail {
  readonly #path: string;
  #inode = -1;
  #offset = 0;
  generation = 0;
  /** Milliseconds since 1970 of the last change; 0 without a file. */
  modified = 0;
  size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The lines that are new, and whether they begin a generation. What cannot be read is taken for not there. */
  async read(): Promise<{ lines: WatchLine[]; fresh: boolean }> {
    const file = await open(this.#path, 'r').catch(() => null);
    if (file === null) {
      const fresh = this.#inode !== -1;
      if (fresh) this.#restart(-1, 0);
      this.modified = 0;
      return { lines: [], fresh };
    }
    try {
      const { ino, size, mtimeMs } = await file.stat();
      this.modified = mtimeMs;
      this.size = size;
      const fresh = ino !== this.#inode || size < this.#offset;
      if (fresh) this.#restart(ino, Math.max(0, size - firstBytes));
      const lines: WatchLine[] = [];
      while (this.#offset < size) {
        const bytes = Buffer.alloc(Math.min(most, size - this.#offset));
        const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#offset);
        // Up to the last end of a line: the rest is read again when it is whole.
        const end = bytes.lastIndexOf(10, bytesRead - 1) + 1;
        if (end === 0) break;
        for (const text of bytes.toString('utf8', 0, end).split('\n')) {
          const line = watchLine(text);
          if (line !== null) lines.push(line);
        }
        this.#offset += end;
      }
      return { lines, fresh };
    } catch {
      return { lines: [], fresh: false };
    } finally {
      await file.close();
    }
  }

  #restart(inode: number, offset: number): void {
    this.#inode = inode;
    this.#offset = offset;
    this.generation += 1;
  }
}
