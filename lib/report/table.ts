/** A table without a form yet; the first column heads its row. */
export interface ReportTable {
  caption: string;
  head: string[];
  rows: string[][];
  /** Sentences under the table. */
  notes: string[];
  /** Whether a page may fold it away. */
  folded?: boolean;
}
