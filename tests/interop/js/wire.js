// WHIP and WHEP by the book, and two connections wired directly: independent of the product's own pages.

import { now } from '/stamp.js';

const OPEN_LIMIT = 10000;

export class HttpError extends Error {
  constructor(response, body) {
    super(`HTTP ${response.status}: ${body}`);
    this.status = response.status;
    this.body = body;
    this.retryAfter = response.headers.get('Retry-After');
  }
}

/** Keeps `name` (and what repairs it) of what the browser can do; all if `name` is undefined. */
function preferCodec(transceiver, kind, name) {
  if (!name) return;
  const { codecs } = RTCRtpReceiver.getCapabilities(kind);
  const wanted = codecs.filter(codec => codec.mimeType.toLowerCase() === `${kind}/${name}`.toLowerCase());
  if (!wanted.length) throw new Error(`this browser has no ${name}`);
  transceiver.setCodecPreferences([...wanted, ...codecs.filter(codec => /\/(rtx|red|ulpfec)$/i.test(codec.mimeType))]);
}

async function connected(pc, limit = OPEN_LIMIT) {
  const end = performance.now() + limit;
  while (pc.connectionState !== 'connected') {
    if (pc.connectionState === 'failed' || pc.connectionState === 'closed') throw new Error(`connection ${pc.connectionState}`);
    if (performance.now() > end) throw new Error(`not connected after ${limit} ms: ${pc.connectionState}, ICE ${pc.iceConnectionState}`);
    await new Promise(wake => setTimeout(wake, 5));
  }
}

/** A WHIP or WHEP session at a server. */
export class Session {
  constructor(pc, { token, trickle = true, only } = {}) {
    Object.assign(this, { pc, token, trickle, only, candidates: [], patches: [] });
    this.remote = new MediaStream();
    pc.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.candidate) this.candidates.push(candidate);
      if (this.url && this.trickle) this.#flush();
    });
    pc.addEventListener('track', ({ track }) => this.remote.addTrack(track));
  }

  async open(endpoint) {
    const { pc } = this;
    await pc.setLocalDescription(await pc.createOffer());
    if (!this.trickle) await this.#gathered();
    const response = await this.#fetch(endpoint, 'POST', 'application/sdp', pc.localDescription.sdp);
    if (response.status !== 201) {
      pc.close();
      throw new HttpError(response, await response.text());
    }
    const location = response.headers.get('Location');
    if (!location) throw new Error('201 without a Location that this origin may read');
    this.url = new URL(location, endpoint).href;
    this.etag = response.headers.get('ETag');
    this.link = response.headers.get('Link');
    this.answer = await response.text();
    if (this.only) {
      const others = new RegExp(`^a=candidate:\\S+ 1 (?!${this.only} ).*\r\n`, 'gmi');
      this.answer = this.answer.replace(others, '');
    }
    await pc.setRemoteDescription({ type: 'answer', sdp: this.answer });
    if (this.trickle) this.#flush();
    return this;
  }

  connected(limit) { return connected(this.pc, limit); }

  /** RFC 9725 §4.3.3: new ICE credentials by PATCH, the media goes on. */
  async restartIce() {
    const { pc } = this;
    this.trickle = false;
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    const fragment = this.#fragment(this.candidates.splice(0));
    const response = await this.#fetch(this.url, 'PATCH', 'application/trickle-ice-sdpfrag', fragment, { 'If-Match': '*' });
    const body = await response.text();
    if (response.status !== 200) throw new HttpError(response, body);
    this.etag = response.headers.get('ETag');
    const value = name => body.match(new RegExp(`^a=${name}:(.*?)\\r?$`, 'm'))?.[1];
    const sdp = this.answer
      .replace(/^a=candidate:.*\r\n/gm, '').replace(/^a=end-of-candidates\r\n/gm, '')
      .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${value('ice-ufrag')}`)
      .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${value('ice-pwd')}`);
    await pc.setRemoteDescription({ type: 'answer', sdp });
    for (const [, candidate] of body.matchAll(/^a=(candidate:.*?)\r?$/gm)) {
      await pc.addIceCandidate({ candidate, sdpMLineIndex: 0 });
    }
    return { ufrag: value('ice-ufrag'), etag: this.etag };
  }

  /** Says goodbye, and closes. */
  async close() {
    const response = await this.#fetch(this.url, 'DELETE');
    this.pc.close();
    return response.status;
  }

  #fetch(url, method, type, body, headers = {}) {
    if (type) headers['Content-Type'] = type;
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    return fetch(url, { method, headers, body });
  }

  async #flush() {
    const candidates = this.candidates.splice(0);
    if (!candidates.length) return;
    const headers = this.etag ? { 'If-Match': this.etag } : {};
    const fragment = this.#fragment(candidates);
    try {
      const response = await this.#fetch(this.url, 'PATCH', 'application/trickle-ice-sdpfrag', fragment, headers);
      this.patches.push(response.status);
    } catch (error) {
      this.patches.push(String(error));
    }
  }

  /** RFC 8840 §9. */
  #fragment(candidates) {
    const sdp = this.pc.localDescription.sdp;
    const line = pattern => sdp.match(pattern)?.[0] ?? '';
    const media = sdp.match(/^m=.*$/m)[0].trim().split(' ');
    return [
      line(/^a=ice-ufrag:.*$/m).trim(), line(/^a=ice-pwd:.*$/m).trim(), `m=${media[0].slice(2)} 9 ${media.slice(2).join(' ')}`,
      line(/^a=mid:.*$/m).trim(), ...candidates.map(({ candidate }) => `a=${candidate}`), '',
    ].join('\r\n');
  }

  async #gathered() {
    const end = performance.now() + 2000;
    while (this.pc.iceGatheringState !== 'complete' && performance.now() < end) await new Promise(wake => setTimeout(wake, 10));
  }
}

/** Publishes `stream` to a WHIP endpoint. */
export async function whip(endpoint, stream, { video, token, trickle, maxBitrate, keepSize } = {}) {
  const session = new Session(new RTCPeerConnection({ bundlePolicy: 'max-bundle' }), { token, trickle });
  for (const track of stream.getTracks()) {
    const encoding = track.kind === 'video' && maxBitrate ? { sendEncodings: [{ maxBitrate }] } : {};
    const transceiver = session.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], ...encoding });
    if (track.kind === 'video') preferCodec(transceiver, 'video', video);
    if (track.kind === 'video' && keepSize) await keepSizeOf(transceiver.sender);
  }
  return session.open(endpoint);
}

/** An encoder short of bits or time drops pictures, not pixels: two runs then compare the same picture. */
async function keepSizeOf(sender) {
  await sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' });
}

/** The ICE servers that an endpoint names before any offer (RFC 9725 §4.6), those whose URL has `part` in it. */
export async function iceServers(endpoint, token, part) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(endpoint, { method: 'OPTIONS', headers });
  const link = response.headers.get('Link') ?? '';
  const servers = [...link.matchAll(/<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"/g)]
    .map(([, urls, username, credential]) => ({ urls, username, credential }));
  const wanted = servers.filter(({ urls }) => urls.includes(part));
  if (!wanted.length) throw new Error(`no ICE server with ${part} in: ${link}`);
  return wanted;
}

/** Watches a WHEP endpoint; with `relay` only by the ICE servers with that in their URL, with `only` by that transport. */
export async function whep(endpoint, { video, token, trickle, relay, only, kinds = ['video', 'audio'] } = {}) {
  const configuration = { bundlePolicy: 'max-bundle' };
  if (relay) {
    configuration.iceServers = await iceServers(endpoint, token, relay);
    configuration.iceTransportPolicy = 'relay';
  }
  const session = new Session(new RTCPeerConnection(configuration), { token, trickle, only });
  session.since = now();
  for (const kind of kinds) {
    const transceiver = session.pc.addTransceiver(kind, { direction: 'recvonly' });
    if (kind === 'video') preferCodec(transceiver, 'video', video);
  }
  return session.open(endpoint);
}

/** The floor: two connections of one page, nothing between. Looks like a session that watches. */
export async function direct(stream, { video, maxBitrate, keepSize } = {}) {
  const since = now();
  const sender = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const remote = new MediaStream();
  pc.addEventListener('track', ({ track }) => remote.addTrack(track));
  sender.addEventListener('icecandidate', ({ candidate }) => candidate && pc.addIceCandidate(candidate));
  pc.addEventListener('icecandidate', ({ candidate }) => candidate && sender.addIceCandidate(candidate));
  for (const track of stream.getTracks()) {
    const encoding = track.kind === 'video' && maxBitrate ? { sendEncodings: [{ maxBitrate }] } : {};
    const transceiver = sender.addTransceiver(track, { direction: 'sendonly', streams: [stream], ...encoding });
    if (track.kind === 'video') preferCodec(transceiver, 'video', video);
    if (track.kind === 'video' && keepSize) await keepSizeOf(transceiver.sender);
  }
  await sender.setLocalDescription();
  await pc.setRemoteDescription(sender.localDescription);
  await pc.setLocalDescription();
  await sender.setRemoteDescription(pc.localDescription);
  await connected(pc);
  return { sender, pc, remote, since, close() { sender.close(); pc.close(); } };
}

/** Publishes as soon as the server lets us: a publisher that vanished holds its name until it counts as silent. */
export async function whipWhenFree(endpoint, stream, options = {}, limit = 10000) {
  const end = performance.now() + limit;
  for (;;) {
    try {
      return await whip(endpoint, stream, options);
    } catch (error) {
      if (error.status !== 409 || performance.now() > end) throw error;
      await new Promise(wake => setTimeout(wake, 100));
    }
  }
}

/** When the first RTP packet was handed to the network (wall-clock milliseconds, to the polling interval). */
export async function firstPacket(pc, limit = OPEN_LIMIT) {
  const end = performance.now() + limit;
  while (performance.now() < end) {
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type === 'outbound-rtp' && entry.packetsSent > 0) return now();
    }
    await new Promise(wake => setTimeout(wake, 5));
  }
  throw new Error(`no packet was sent within ${limit} ms`);
}
