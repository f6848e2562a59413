import { execFileSync } from 'node:child_process';

/** How a program is started in a name space of process numbers of its own, as in a container, with the same host name. */
export const inOwnNamespace = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** Whether this process may make name spaces. */
export function canMakeNamespaces(): boolean {
  try {
    execFileSync(inOwnNamespace[0]!, [...inOwnNamespace.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
