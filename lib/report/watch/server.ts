import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RdropError } from '../../util/errors.js';
import { sameText } from './token.js';

/** What is sent for a path. */
export interface Answer {
  type: string;
  body: string;
}

/** A path of the page, from the token on, to what is sent for it; null where there is nothing. */
export type Answerer = (path: string, query: URLSearchParams) => Promise<Answer | null>;

/**
 * Nothing but this server's own files: no script and no style in the page. ECharts gives the letters of a chart their font by an
 * attribute `style`.
 */
const policy = [
  "default-src 'none'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; connect-src 'self'; img-src data:",
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join('; ');

const headers = {
  'Content-Security-Policy': policy,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

export interface WatchServer {
  server: Server;
  port: number;
}

/**
 * Serves 127.0.0.1 alone, to those who know the token and ask for this host by its name: a page of somebody else's, whose name was made
 * to point here, has another in its requests.
 *
 * @throws RdropError INVALID_ARGUMENT where the port is taken or may not be used
 */
export async function startServer(
  { port, token }: { port: number; token: string },
  answer: Answerer,
  onReader: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<WatchServer> {
  const server = createServer((request, response) => {
    const end = (status: number, { type, body }: Answer = { type: 'text/plain', body: '' }) => {
      response.writeHead(status, { ...headers, 'Content-Type': `${type}; charset=utf-8` });
      response.end(request.method === 'HEAD' ? '' : body);
    };
    const bound = (server.address() as AddressInfo | null)?.port;
    if (![`127.0.0.1:${bound}`, `localhost:${bound}`].includes(request.headers.host ?? '')) return end(403);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return end(405);
    }
    const [way = '', search = ''] = (request.url ?? '').split('?');
    const [, given = '', ...rest] = way.split('/');
    if (!sameText(given, token)) return end(404);
    const path = rest.join('/');
    if (rest.length === 0) {
      response.setHeader('Location', `/${token}/`);
      return end(308);
    }
    if (path === 'events') {
      if (request.method === 'HEAD') return end(200);
      response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
      return onReader(request, response);
    }
    answer(path, new URLSearchParams(search)).then(
      (found) => (found === null ? end(404) : end(200, found)),
      () => end(500),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new RdropError(
          'INVALID_ARGUMENT',
          `watch.port: expected a free port that this user may open, got ${port} (${error.code ?? error.message})`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return { server, port: (server.address() as AddressInfo).port };
}
