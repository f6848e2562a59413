/** Downloads that nobody on the way can have changed: https, or whatever the user has a checksum of. */
import { RdropError } from '../../util/errors.js';

const maxRedirects = 20;

function refusePlain(url: URL, from: string): RdropError {
  const way = String(url) === from ? '' : ` (${from} leads there)`;
  return new RdropError(
    'INVALID_ARGUMENT',
    `${url}${way}: expected https:, because anybody on the way can change what plain ${url.protocol} brings. ` +
      'Next: an https: URL, or --sha256 HEX with the SHA-256 that the archive must have',
  );
}

/**
 * What --from names: a URL, or null for a path.
 *
 * @param pinned - whether a checksum is expected of it.
 * @throws RdropError INVALID_ARGUMENT for http: without a checksum, and for protocols that are not read.
 */
export function urlOf(from: string, pinned: boolean): URL | null {
  // A single letter is a drive, and a path may have a colon further on.
  if (!/^[a-z][a-z0-9+.-]+:/i.test(from) || !URL.canParse(from)) return null;
  const url = new URL(from);
  if (url.protocol === 'https:' || url.protocol === 'file:') return url;
  if (url.protocol !== 'http:')
    throw new RdropError(
      'INVALID_ARGUMENT',
      `--from: expected a path, or an https: or file: URL, got ${url.protocol} in ${JSON.stringify(from)}`,
    );
  if (!pinned) throw refusePlain(url, from);
  return url;
}

/**
 * Fetches a URL, following redirects one by one.
 *
 * @throws RdropError LIBTORCH_DOWNLOAD without an answer; INVALID_ARGUMENT for a redirect to http: without a checksum.
 */
export async function fetchSecurely(
  first: URL,
  { signal, pinned }: { signal: AbortSignal | undefined; pinned: boolean },
): Promise<Response> {
  let url = first;
  for (let redirects = 0; ; redirects++) {
    let response: Response;
    try {
      response = await fetch(url, { redirect: 'manual', ...(signal && { signal }) });
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      const reason = cause instanceof Error ? cause.message : String(error);
      throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: no answer (${reason})`, { cause: error });
    }
    const location = response.headers.get('location');
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
    await response.body?.cancel();
    if (redirects === maxRedirects)
      throw new RdropError('LIBTORCH_DOWNLOAD', `${first}: more than ${maxRedirects} redirects`);
    if (!URL.canParse(location, String(url)))
      throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: redirects to ${JSON.stringify(location)}, no URL`);
    url = new URL(location, url);
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      throw new RdropError('LIBTORCH_DOWNLOAD', `${first}: redirects to ${url}, expected https:`);
    if (url.protocol === 'http:' && !pinned) throw refusePlain(url, String(first));
  }
}
