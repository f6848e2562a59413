/**
 * Whether somebody else can have put libraries into the cache. What is opened there runs with the user's rights, so that
 * every directory on the way to a library, and the library itself, must belong to the user or to root and be closed to
 * everybody else for writing.
 */
import { existsSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';

/** The user that this process works for. */
export interface User {
  uid: number;
  gid: number;
}

const otherWrites = 0o002;
const groupWrites = 0o020;
const sticky = 0o1000;

const octal = (mode: number) => (mode & 0o7777).toString(8).padStart(3, '0');

/** Why a path does not belong to the user or root alone; null when it does. */
function objection(stats: Stats, { uid, gid }: User): string | null {
  if (stats.uid !== uid && stats.uid !== 0) return `belongs to the user with id ${stats.uid}`;
  if (stats.mode & otherWrites) return `can be written by everybody (mode ${octal(stats.mode)})`;
  // Many systems give each user a group of their own and let it write.
  if (stats.mode & groupWrites && stats.gid !== gid && stats.gid !== 0)
    return `can be written by the group with id ${stats.gid} (mode ${octal(stats.mode)})`;
  return null;
}

/** A directory above: who can write to it can put another in the place of those below, unless only owners may rename. */
function objectionAbove(stats: Stats): string | null {
  return stats.mode & otherWrites && !(stats.mode & sticky)
    ? `can be written by everybody (mode ${octal(stats.mode)}), so that they can rename what is in it`
    : null;
}

function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [above, ...ancestors(above)];
}

/** The directories of a libtorch from which the dynamic loader takes libraries: its own, and those of a CUDA build. */
export function libraryDirectories(place: string): string[] {
  const nvidia = join(place, '..', 'nvidia');
  const beside = existsSync(nvidia)
    ? readdirSync(nvidia, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(nvidia, entry.name, 'lib'))
    : [];
  return [join(place, 'lib'), ...beside].filter((directory) => existsSync(directory));
}

export const isLibrary = (name: string): boolean => /\.so(?:\.|$)/.test(name);

function refusal(path: string, what: string, next: string, { uid }: User): RdropError {
  return new RdropError(
    'CACHE_UNTRUSTED',
    `${path}: ${what}; expected the cache of libtorch, whose libraries are run, to belong to you (id ${uid}) or root ` +
      `and to be writable by nobody else. Nothing in it was opened. Next: ${next}`,
  );
}

/**
 * What makes the cache untrustworthy; null when nothing does or there is no cache yet.
 *
 * @param cache - the directory of all that setup keeps.
 * @param place - the libtorch in it that is to be opened; it need not exist.
 */
export function untrusted(
  cache: string,
  place: string,
  user: User | null = currentUser(),
): RdropError | null {
  if (user === null || !existsSync(cache)) return null;
  const seen = new Set<string>();
  const own = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const what = objection(statSync(path), user);
    if (what === null) return;
    const anew = path === cache || path.startsWith(`${cache}${sep}`) ? `rm -r ${path}` : `remove ${path}`;
    const trusted = `if you know who wrote it and trust them, RDROP_LIBTORCH=${place} names it`;
    throw refusal(path, what, `${anew} && npx rdrop setup; or, ${trusted}`, user);
  };
  const ownWithAll = (path: string) => {
    // Where it really lies, should there be links.
    const real = realpathSync(path);
    own(real);
    for (const above of ancestors(real)) {
      if (seen.has(above)) continue;
      seen.add(above);
      const what = objectionAbove(statSync(above));
      if (what !== null) throw refusal(above, what, `chmod o-w ${above}, or set RDROP_CACHE elsewhere`, user);
    }
  };
  try {
    ownWithAll(cache);
    // A CUDA build lies one directory deeper.
    const below: string[] = [];
    for (let path = place; path !== cache && path !== dirname(path); path = dirname(path))
      below.unshift(path);
    for (const path of below) if (existsSync(path)) ownWithAll(path);
    for (const directory of existsSync(place) ? libraryDirectories(place) : []) {
      ownWithAll(directory);
      for (const name of readdirSync(directory)) {
        if (isLibrary(name) && existsSync(join(directory, name))) ownWithAll(join(directory, name));
      }
    }
  } catch (error) {
    return error instanceof RdropError ? error : fileError(error, cache, 'read');
  }
  return null;
}

/** Null where files have no owners (Windows). */
export function currentUser(): User | null {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  return uid === undefined || gid === undefined ? null : { uid, gid };
}
