import { RdropError } from '../util/errors.js';

/** The languages whose rules of Moses are built in. */
export const languages = ['de', 'en'] as const;
export type Language = (typeof languages)[number];

/**
 * Checks that the rules of a language are built in.
 *
 * @throws RdropError INVALID_ARGUMENT, naming the known ones.
 */
export function checkLanguage(lang: string | undefined): Language {
  if (lang !== undefined && (languages as readonly string[]).includes(lang)) return lang as Language;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `lang: expected one of ${languages.join(', ')}, got ${lang === undefined ? 'nothing' : JSON.stringify(lang)}`,
  );
}
