// What the server of the live page sends, heard as the page hears it.
import type { RunRow, SweepRow } from '../../lib/report/watch/messages.js';

/** Server-sent events, each with its id. */
export class Listener {
  readonly events: { id: string; type: string; data: Record<string, never> }[] = [];
  readonly #controller = new AbortController();

  /** @param last the id of the last event that was heard before */
  static async open(url: string, last?: string): Promise<Listener> {
    const listener = new Listener();
    const answer = await fetch(`${url}events`, {
      signal: listener.#controller.signal,
      headers: last === undefined ? {} : { 'last-event-id': last },
    });
    void listener.#read(answer).catch(() => {});
    return listener;
  }

  async #read(answer: Response): Promise<void> {
    let text = '';
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop()!;
      for (const part of parts) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(part)?.[1];
        if (field('event') === undefined || field('event') === 'beat') continue;
        this.events.push({ id: field('id')!, type: field('event')!, data: JSON.parse(field('data')!) });
      }
    }
  }

  of(type: string) {
    return this.events.filter((event) => event.type === type).map(({ data }) => data);
  }

  close(): void {
    this.#controller.abort();
  }
}

/** What one who opens the page is told first. */
export async function seenAt(url: string): Promise<{ runs: RunRow[]; sweeps: SweepRow[] }> {
  const controller = new AbortController();
  const answer = await fetch(`${url}events`, { signal: controller.signal });
  let text = '';
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const hello = /event: hello\ndata: (.*)\n\n/.exec(text)?.[1];
    if (hello === undefined) continue;
    controller.abort();
    return JSON.parse(hello);
  }
  throw new Error('no hello');
}
