/** Gives every table buttons that sort it by a column and one that saves it as CSV. */
export function startTables(): void {
  for (const table of document.querySelectorAll<HTMLTableElement>('table')) {
    if (table.tBodies[0] && table.tBodies[0].rows.length > 1) makeSortable(table);
    addDownload(table);
  }
}

const collator = new Intl.Collator('en', { numeric: true });
const cellText = (row: HTMLTableRowElement, column: number) => row.cells[column]?.textContent?.trim() ?? '';
/** The number that a cell begins with; null where it does not. */
const leading = (text: string): number | null => {
  const number = /^[-\u2212+]?\d[\d,]*\.?\d*(e[-+]?\d+)?/i.exec(text)?.[0];
  return number === undefined ? null : Number(number.replaceAll(',', '').replace('−', '-'));
};

/** By number where both have one, else as text; what is absent comes last in either order. */
function compareCells(one: string, other: string, sign: number): number {
  const absent = (text: string) => Number(text === '—' || text === '');
  if (absent(one) || absent(other)) return absent(one) - absent(other);
  const [a, b] = [leading(one), leading(other)];
  return sign * (a !== null && b !== null ? a - b : collator.compare(one, other));
}

function makeSortable(table: HTMLTableElement): void {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  const body = table.tBodies[0]!;
  const original = [...body.rows];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const now = head.getAttribute('aria-sort');
      for (const each of heads) each.removeAttribute('aria-sort');
      // Up, down, and as it was.
      const next = now === null ? 'ascending' : now === 'ascending' ? 'descending' : null;
      if (next !== null) head.setAttribute('aria-sort', next);
      const sign = next === 'descending' ? -1 : 1;
      const rows = [...original];
      if (next !== null)
        rows.sort((one, other) => compareCells(cellText(one, column), cellText(other, column), sign));
      body.append(...rows);
    });
  });
}

/** A cell of a CSV file; a program for tables must not take it for a formula. */
function csvCell(text: string): string {
  const safe =
    /^[=+@\t\r]/.test(text) || (text.startsWith('-') && leading(text) === null) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function addDownload(table: HTMLTableElement): void {
  const { caption } = table;
  if (caption === null) return;
  const name = caption.textContent?.trim() ?? 'table';
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'csv';
  button.textContent = 'CSV';
  button.title = 'Save this table as CSV';
  button.addEventListener('click', () => {
    const lines = [...table.rows].map((row) =>
      Array.from(row.cells, (cell) => csvCell(cell.textContent?.trim() ?? '')).join(','),
    );
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
    link.download = `${name
      .replace(/[^\w]+/g, '-')
      .replace(/^-|-$/g, '')
      .toLowerCase()}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  caption.append(button);
}
