// One WHIP or WHEP session as an HTTP resource: POST makes it, PATCH feeds it, DELETE ends it.
//
// RFC 9725 and draft-ietf-wish-whep share this part. ETag rules: a trickle PATCH names the ICE session it belongs to
// with If-Match (428 without, 412 when stale); a restart PATCH says `If-Match: *` and is answered with 200 and the
// server's new credentials under a new ETag. Error bodies are problem+json (RFC 9457).

export class SignalError extends Error {
  /** `kind` is what a page decides by; `code` and `detail` are the server's own word and sentence. */
  constructor(kind, { status = 0, code = '', detail = '', retryAfter = null } = {}) {
    super(detail || kind);
    Object.assign(this, { name: 'SignalError', kind, status, code, detail, retryAfter });
  }
}

const KINDS = {
  400: 'invalid', 401: 'unauthorized', 403: 'forbidden', 404: 'not-found', 405: 'not-found', 406: 'codec',
  409: 'conflict', 410: 'not-found', 412: 'stale', 413: 'invalid', 415: 'invalid', 422: 'unsupported', 428: 'stale',
  429: 'full', 503: 'full',
};

/** Milliseconds from a Retry-After header (RFC 9110 §10.2.3: seconds or a date), at most a minute. */
function retryAfter(headers) {
  const text = headers.get('Retry-After');
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 60_000) : null;
}

async function refusal(response) {
  let detail = '';
  let code = '';
  try {
    const text = (await response.text()).slice(0, 2000);
    const json = (response.headers.get('Content-Type') ?? '').includes('json');
    const problem = json ? JSON.parse(text) : { detail: text };
    detail = String(problem.detail ?? problem.title ?? '');
    code = String(problem.code ?? '');
  } catch {
    // no readable body: the status must do
  }
  if (/^\s*</.test(detail)) detail = ''; // some proxy's HTML
  const kind = KINDS[response.status] ?? (response.status >= 500 ? 'server' : 'invalid');
  return new SignalError(kind, { status: response.status, code, detail: detail.trim(), retryAfter: retryAfter(response.headers) });
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { cache: 'no-store', ...options });
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new SignalError('unreachable');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** `Link: <turn:host?transport=udp>; rel="ice-server"; username="u"; credential="c"` (RFC 9725 §4.6). */
export function iceServers(link) {
  const servers = [];
  for (const match of (link ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))*)/g)) {
    const attributes = {};
    for (const [, name, quoted, bare] of match[2].matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g)) {
      attributes[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    }
    if (attributes.rel !== 'ice-server' || !/^(stun|turn)s?:/.test(match[1])) continue;
    const { username, credential } = attributes;
    servers.push({ urls: match[1], ...(username && { username, credential }) });
  }
  return servers;
}

export class Resource {
  /** POSTs an offer. Throws a SignalError, or AbortError when `signal` aborts. */
  static async create(endpoint, offer, { headers = {}, signal } = {}) {
    const response = await request(endpoint, {
      method: 'POST', signal, body: offer,
      headers: { ...headers, 'Content-Type': 'application/sdp', Accept: 'application/sdp' },
    });
    const location = response.headers.get('Location');
    const answer = await response.text();
    if (response.status !== 201 || !location || !answer.startsWith('v=0')) {
      throw new SignalError('not-found', { status: response.status, detail: 'What answered there is not a streaming server.' });
    }
    return new Resource(new URL(location, response.url || endpoint).href, answer, headers, response.headers);
  }

  /** The ICE servers of an endpoint, before there is an offer. */
  static async iceServers(endpoint, headers = {}) {
    const response = await request(endpoint, { method: 'OPTIONS', headers });
    const servers = iceServers(response.headers.get('Link'));
    if (!servers.length) throw new SignalError('invalid', { detail: 'This server offers no relay.' });
    return servers;
  }

  constructor(url, answer, headers, received) {
    this.url = url;
    this.answer = answer;
    this.etag = received.get('ETag');
    this.iceServers = iceServers(received.get('Link'));
    this.headers = headers;
  }

  #patch(fragment, ifMatch) {
    const headers = { ...this.headers, 'Content-Type': 'application/trickle-ice-sdpfrag' };
    if (ifMatch) headers['If-Match'] = ifMatch;
    return request(this.url, { method: 'PATCH', headers, body: fragment });
  }

  /** Sends more candidates of the current ICE session. */
  async trickle(fragment) {
    await this.#patch(fragment, this.etag);
  }

  /** Asks for an ICE restart; returns the server's new fragment. */
  async restart(fragment) {
    const response = await this.#patch(fragment, '*');
    const etag = response.headers.get('ETag');
    const answer = await response.text();
    if (response.status !== 200 || !/^a=ice-ufrag:/m.test(answer)) throw new SignalError('unsupported', { status: response.status });
    if (etag) this.etag = etag;
    return answer;
  }

  /** Ends the session. Outlives the page (keepalive), never throws. */
  async delete() {
    try {
      await fetch(this.url, { method: 'DELETE', headers: this.headers, keepalive: true });
    } catch {
      // the server reaps silent sessions by itself
    }
  }
}
