import type { DocumentedInterface } from './options.mjs';

export function configurationPages(): {
  pages: Map<string, { text: string; made: string }>;
  /** The interfaces that have a table. */
  used: Set<string>;
  interfaces: Map<string, DocumentedInterface>;
};
