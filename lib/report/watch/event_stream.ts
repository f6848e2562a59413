import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** Events that are kept for those who come back. */
const kept = 4000;
/** Milliseconds between two signs of life. */
const beat = 10_000;
/** Bytes that may wait for a reader who does not read, as in a machine that sleeps; then the connection ends, and it asks again. */
const mostWaiting = 16 << 20;

/**
 * Server-sent events to any number of readers. One who comes back and names the last event that it has gets those it missed; one who
 * cannot be given them begins anew.
 */
export class EventStream {
  /** Names this server: numbers of events of an earlier one mean nothing here. */
  readonly #name = randomBytes(6).toString('hex');
  readonly #readers = new Set<ServerResponse>();
  #events: string[] = [];
  #count = 0;
  readonly #timer = setInterval(() => this.#send('event: beat\ndata: {}\n\n'), beat).unref();

  get readers(): number {
    return this.#readers.size;
  }

  send(type: string, data: unknown): void {
    this.#count += 1;
    const text = `id: ${this.#name}-${this.#count}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#events.push(text);
    if (this.#events.length > kept) this.#events = this.#events.slice(kept / 2);
    this.#send(text);
  }

  #send(text: string): void {
    for (const reader of this.#readers) {
      if (reader.writableLength > mostWaiting) reader.destroy();
      else reader.write(text);
    }
  }

  /**
   * @param last the id of the last event that the reader has
   * @param hello what one who begins anew is told first
   */
  add(reader: ServerResponse, last: string | undefined, hello: () => unknown): void {
    const [name, number] = last?.split('-') ?? [];
    const missed = this.#count - Number(number);
    const known = name === this.#name && missed >= 0 && missed <= this.#events.length;
    reader.write('retry: 1000\n\n');
    if (known) reader.write(this.#events.slice(this.#events.length - missed).join(''));
    else reader.write(`id: ${this.#name}-${this.#count}\nevent: hello\ndata: ${JSON.stringify(hello())}\n\n`);
    this.#readers.add(reader);
  }

  remove(reader: ServerResponse): void {
    this.#readers.delete(reader);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }
}
