import type { RunRow } from '../../watch/messages.js';
import { byId, made, write } from './dom.js';
import type { Model } from './model.js';
import { duration, fixed, memory, stateText, whole } from './words.js';

const columns: [head: string, text: (run: RunRow) => string][] = [
  ['state', stateText],
  ['progress', ({ progress }) => (progress === null ? '—' : `${Math.floor(100 * progress)} %`)],
  ['time left', ({ secondsLeft }) => duration(secondsLeft)],
  ['update', ({ update }) => whole(update)],
  ['loss', ({ loss }) => fixed(loss, 3)],
  ['KL', ({ kl }) => fixed(kl, 3)],
  ['valid. loss', ({ validLoss }) => fixed(validLoss, 3)],
  ['valid. score', ({ validScore, metric }) => fixed(validScore, metric === 'BLEU' ? 2 : 4)],
  ['test score', ({ testScore, metric }) => fixed(testScore, metric === 'BLEU' ? 2 : 4)],
  ['tokens/s', ({ tokensPerSecond }) => whole(tokensPerSecond)],
  ['memory', (run) => memory(run.memory)],
  ['where', ({ worker }) => worker ?? '—'],
];

/** What a column of scores is called when all runs have the same. */
const headOf = (head: string, metric: string) => head.replace('score', metric);

interface Row {
  element: HTMLTableRowElement;
  box: HTMLInputElement;
  swatch: HTMLElement;
  bar: HTMLProgressElement;
  cells: HTMLElement[];
}

/** The table of runs: a row is made once and then changed where it differs. */
export class RunTable {
  readonly #model: Model;
  readonly #rows = new Map<string, Row>();
  readonly #body: HTMLTableSectionElement;
  readonly #heads: HTMLTableCellElement[];
  readonly #onTick: () => void;
  readonly #onChoose: (id: string) => void;
  #filter = '';

  constructor(model: Model, { onTick, onChoose }: { onTick: () => void; onChoose: (id: string) => void }) {
    this.#model = model;
    this.#onTick = onTick;
    this.#onChoose = onChoose;
    const table = byId<HTMLTableElement>('runs');
    const heads = ['curves', 'run', ...columns.map(([head]) => head)];
    this.#heads = heads.map((head) => made('th', { scope: 'col' }, head));
    table.tHead!.append(made('tr', {}, ...this.#heads));
    this.#body = table.tBodies[0]!;
    const filter = byId<HTMLInputElement>('filter');
    filter.addEventListener('input', () => {
      this.#filter = filter.value.trim().toLowerCase();
      this.draw();
    });
  }

  draw(): void {
    const { runs } = this.#model;
    for (const [id, { element }] of this.#rows) {
      if (runs.has(id)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    const metric = this.#model.metric;
    columns.forEach(([head], i) => {
      write(this.#heads[i + 2]!, headOf(head, metric));
    });
    const colors = new Map(this.#model.shown().map(({ run, color }) => [run.id, color]));
    let before: Element | null = null;
    for (const run of this.#model.rows()) {
      let row = this.#rows.get(run.id);
      if (row === undefined) {
        row = this.#make(run);
        this.#rows.set(run.id, row);
      }
      this.#write(row, run, colors.get(run.id));
      // Moved only where it is in the wrong place: moving an element takes the focus from it.
      const place: Element | null =
        before === null ? this.#body.firstElementChild : before.nextElementSibling;
      if (place !== row.element) this.#body.insertBefore(row.element, place);
      before = row.element;
    }
  }

  #make(run: RunRow): Row {
    const box = made('input', { type: 'checkbox', 'aria-label': `Show the curves of ${run.name}` });
    box.addEventListener('change', () => {
      this.#model.tick(run.id, box.checked);
      this.#onTick();
    });
    const button = made('button', { type: 'button' }, run.name);
    button.addEventListener('click', () => this.#onChoose(run.id));
    const swatch = made('span', { class: 'swatch' });
    const bar = made('progress', { max: '1', 'aria-label': `Progress of ${run.name}` });
    const cells = columns.map(() => made('span'));
    const inner = cells.map((cell, i) =>
      columns[i]![0] === 'progress' ? made('td', {}, bar, ' ', cell) : made('td', {}, cell),
    );
    const element = made(
      'tr',
      {},
      made('td', {}, box),
      made('th', { scope: 'row' }, swatch, button),
      ...inner,
    );
    return { element, box, swatch, bar, cells };
  }

  #write({ element, box, swatch, bar, cells }: Row, run: RunRow, color: string | undefined): void {
    columns.forEach(([, text], i) => {
      write(cells[i]!, text(run));
    });
    cells[0]!.className = `state ${run.state}`;
    if (run.progress === null) bar.removeAttribute('value');
    else bar.value = run.progress;
    box.checked = color !== undefined;
    swatch.style.background = color ?? 'transparent';
    if (run.id === this.#model.chosen) element.setAttribute('aria-current', 'true');
    else element.removeAttribute('aria-current');
    element.hidden =
      this.#filter !== '' && !`${run.name} ${stateText(run)}`.toLowerCase().includes(this.#filter);
  }
}
