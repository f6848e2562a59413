import type { CurveName, Curves, Points, RunRow, SweepRow, WatchLine } from '../../watch/messages.js';

/** A longer curve is thinned to every other point. */
const most = 1500;
const order = ['running', 'failed', 'interrupted', 'waiting', 'dropped', 'finished'];
/** So many runs have their curves shown until the reader ticks others. */
const firstShown = 6;
/** Okabe and Ito's, as in the report. */
const colors = ['#0087d0', '#e66100', '#009e73', '#cc79a7', '#b59f00', '#56b4e9', '#8a8a8a', '#d55e00'];

interface LoadedCurves {
  generation: number;
  curves: Record<CurveName, Map<number, number>>;
}

/** What the page knows, and which runs the reader has chosen; that survives a reload. */
export class Model {
  readonly runs = new Map<string, RunRow>();
  sweeps: SweepRow[] = [];
  readonly #curves = new Map<string, LoadedCurves>();
  readonly #loading = new Map<string, Promise<void>>();
  #ticked: Set<string> | null = null;
  chosen: string | null = null;

  constructor(readonly onCurves: () => void) {
    try {
      const kept = JSON.parse(sessionStorage.getItem(location.pathname) ?? '{}') as Record<string, unknown>;
      if (Array.isArray(kept['ticked'])) this.#ticked = new Set(kept['ticked'].map(String));
      if (typeof kept['chosen'] === 'string') this.chosen = kept['chosen'];
    } catch {
      // Nothing is kept.
    }
  }

  #keep(): void {
    const ticked = this.#ticked === null ? null : [...this.#ticked];
    sessionStorage.setItem(location.pathname, JSON.stringify({ ticked, chosen: this.chosen }));
  }

  /** What runs first, then by name. */
  rows(): RunRow[] {
    const place = ({ state }: RunRow) => order.indexOf(state);
    const names = new Intl.Collator('en', { numeric: true });
    return [...this.runs.values()].sort((a, b) => place(a) - place(b) || names.compare(a.id, b.id));
  }

  /** What all runs are judged by; where they differ, 'score'. */
  get metric(): string {
    const [metric = 'BLEU', ...others] = new Set([...this.runs.values()].map((run) => run.metric));
    return others.length === 0 ? metric : 'score';
  }

  /** The runs whose curves are shown, each with its color. */
  shown(): { run: RunRow; color: string }[] {
    const rows = this.rows();
    const ticked = this.#ticked;
    const runs = ticked === null ? rows.slice(0, firstShown) : rows.filter(({ id }) => ticked.has(id));
    // By name, so that a run keeps its color when its state changes.
    const ids = runs.map(({ id }) => id).sort();
    return runs.map((run) => ({ run, color: colors[ids.indexOf(run.id) % colors.length] as string }));
  }

  tick(id: string, on: boolean): void {
    this.#ticked ??= new Set(this.shown().map(({ run }) => run.id));
    if (on) this.#ticked.add(id);
    else this.#ticked.delete(id);
    this.#keep();
  }

  choose(id: string): void {
    this.chosen = id;
    this.#keep();
  }

  /** All curves may have missed something. */
  forget(): void {
    this.#curves.clear();
  }

  points(id: string, name: CurveName): Points {
    return [...(this.#curves.get(id)?.curves[name] ?? [])].sort(([a], [b]) => a - b);
  }

  /** Loads the curves of the runs that are shown and have none, or none that hold. */
  async load(): Promise<void> {
    await Promise.all(this.shown().map(({ run }) => this.#loading.get(run.id) ?? this.#load(run)));
  }

  async #load({ id, generation }: RunRow): Promise<void> {
    if (this.#curves.get(id)?.generation === generation) return;
    const work = (async () => {
      const answer = await fetch(`curves?run=${encodeURIComponent(id)}`);
      if (!answer.ok) return;
      const found = (await answer.json()) as { generation: number; curves: Curves };
      const curves = Object.fromEntries(
        Object.entries(found.curves).map(([name, points]) => [name, new Map(points)]),
      ) as LoadedCurves['curves'];
      this.#curves.set(id, { generation: found.generation, curves });
      this.onCurves();
    })().catch(() => {});
    this.#loading.set(id, work);
    await work;
    this.#loading.delete(id);
  }

  /** New lines of a run. Those that come while its curves are loaded may be in them or not: a point is there once by its update. */
  async add(id: string, generation: number, lines: readonly WatchLine[]): Promise<void> {
    await this.#loading.get(id);
    const loaded = this.#curves.get(id);
    if (loaded === undefined || loaded.generation !== generation) return;
    const put = (name: CurveName, update: number, value: number | null) => {
      const points = loaded.curves[name];
      if (value !== null) points.set(update, value);
      if (points.size > most) loaded.curves[name] = new Map([...points].filter((_, i) => i % 2 === 0));
    };
    for (const line of lines) {
      const { type, update } = line;
      if (type === 'validation') {
        put('validLoss', update, line.loss);
        put('score', update, line.score);
      } else
        for (const name of ['loss', 'kl', 'learningRate', 'tokensPerSecond'] as const)
          put(name, update, line[name]);
    }
    this.onCurves();
  }
}
