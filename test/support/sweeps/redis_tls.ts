// A server of a queue with TLS and a password, and the files by which it is reached.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RedisServer } from './redis_server.js';

export const password = 'swordfish';

/** Certificates of two authorities, and one of a server by the first. */
function makeCertificates(at: (name: string) => string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  for (const authority of ['ca', 'other']) {
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${authority}`],
      ...['-keyout', at(`${authority}.key`), '-out', at(`${authority}.crt`)],
    );
  }
  openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'],
    ...['-keyout', at('server.key'), '-out', at('server.csr')],
  );
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.crt'), '-CAkey', at('ca.key')],
    ...['-CAcreateserial', '-days', '2', '-extfile', at('names'), '-out', at('server.crt')],
  );
}

/** What reaches the server: `ca.crt` signed its certificate, `other.crt` did not; `password` is the file of the password. */
export interface SecureServer {
  server: RedisServer;
  url: string;
  credentials: { queueCa: string; queuePasswordFile: string };
  at(name: string): string;
}

/** @param directory where its files and the certificates are made */
export async function startSecureServer(directory: string): Promise<SecureServer> {
  mkdirSync(directory, { recursive: true });
  const at = (name: string) => join(directory, name);
  makeCertificates(at);
  writeFileSync(at('password'), `${password}\n`);
  const server = await RedisServer.start(at('redis'), (port) => [
    ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', '--requirepass', password],
    ...['--tls-cert-file', at('server.crt'), '--tls-key-file', at('server.key')],
    ...['--tls-ca-cert-file', at('ca.crt')],
  ]);
  return {
    server,
    url: `rediss://localhost:${server.port}/0`,
    credentials: { queueCa: at('ca.crt'), queuePasswordFile: at('password') },
    at,
  };
}
