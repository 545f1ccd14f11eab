// A peer connection that stays up: what publishing (whip.js) and watching (whep.js) have in common.
//
//   idle ── connect() ──▶ connecting ──▶ live ──▶ reconnecting ──▶ live ...        close() ──▶ stopped
//                            │  ▲                    │
//                            ▼  │ by itself          └─ error (a person has to do something)
//                          offline (watching only)
//
// A path that breaks is first mended by an ICE restart, which keeps the session; where that fails, or where the server
// ended the session, a new session replaces it. Tries are spaced by Retry-After or a growing, jittered pause.

import { Resource, SignalError } from './resource.js';
import { fragment, restartedAnswer } from './sdp.js';

const TRICKLE_PAUSE = 40; // ms in which candidates are collected into one PATCH
const CONNECT_PATIENCE = 12_000; // ms from answer to connected
const RELAY_PATIENCE = 3_000; // ms without a direct path, before the ICE servers of the answer are tried as well
const RESTART_PATIENCE = 6_000; // ms for an ICE restart to help
const DISCONNECT_PATIENCE = 1_500; // ms: many disconnects heal by themselves
const GOODBYE_PATIENCE = 400; // ms for DELETE to arrive before the connection closes anyway
const LONGEST_PAUSE = 10_000; // ms between tries

export class Peer extends EventTarget {
  /** `headers()` gives the request headers (the token); called for every new session. With `relay` all goes through TURN. */
  constructor(endpoint, { headers = () => ({}), relay = false } = {}) {
    super();
    this.endpoint = endpoint;
    this.headers = headers;
    this.relay = relay;
    this.state = 'idle';
    this.error = null;
    this.pc = null;
    this.resource = null;
    this.lastAnswer = ''; // for telling why no media came
    this.marks = {}; // performance.now() of: start, offer, answer, connected
    this.sessions = 0;
    this.restarts = 0;
    this.pauseUntil = null;
    this.#servers = [];
    addEventListener('online', () => this.#networkChanged());
    const network = navigator.connection; // its `change` also tells of mere speed changes: look at the type
    let type = network?.type;
    network?.addEventListener?.('change', () => {
      if (network.type !== type) this.#networkChanged();
      type = network.type;
    });
    addEventListener('pagehide', () => {
      if (this.resource) this.#end('stopped');
    });
  }

  #servers;
  #attempt = 0; // counts sessions tried; a stale try sees that it is stale
  #failures = 0;
  #timer = 0;
  #abort = null;
  #mending = false;
  #outbox = null;

  // What publishing and watching do differently.
  /** Adds the transceivers. */
  prepare(_pc) {}
  /** A last look at the answer before it is applied. */
  adjustAnswer(answer) { return answer; }
  /** A refused POST: 'retry', 'offline' (retry, and say so) or 'error' (give up). */
  judge(_error) { return 'error'; }

  connect() {
    this.#failures = 0;
    this.marks = { start: performance.now() };
    this.#set('connecting');
    return this.#open();
  }

  /** Ends the session and stays idle. */
  close() {
    this.#end('stopped');
  }

  /** Drops the session and makes a new one. */
  reconnect(pause = 0) {
    this.#drop();
    if (this.state !== 'offline') this.#set('reconnecting');
    this.#later(pause, () => this.#open());
  }

  async #open() {
    const attempt = ++this.#attempt;
    const stale = () => attempt !== this.#attempt;
    this.#abort = new AbortController();
    this.pauseUntil = null;
    let pc;
    try {
      if (this.relay) this.#servers = await Resource.iceServers(this.endpoint, this.headers());
      if (stale()) return;
      const policy = this.relay ? 'relay' : 'all';
      pc = new RTCPeerConnection({
        bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers: this.#servers, iceTransportPolicy: policy,
      });
      this.pc = pc;
      this.#watch(pc, stale);
      await this.prepare(pc);
      this.#collect(pc);
      await pc.setLocalDescription(await pc.createOffer());
      this.marks.offer = performance.now();
      const resource = await Resource.create(this.endpoint, pc.localDescription.sdp, {
        headers: this.headers(), signal: this.#abort.signal,
      });
      if (stale()) return void resource.delete();
      this.resource = resource;
      this.lastAnswer = resource.answer;
      this.sessions += 1;
      this.marks.answer = performance.now();
      const hadServers = this.#servers.length > 0;
      if (resource.iceServers.length) {
        this.#servers = resource.iceServers; // used by a restart of this session, and by the next one
        pc.setConfiguration({ ...pc.getConfiguration(), iceServers: this.#servers });
      }
      await pc.setRemoteDescription({ type: 'answer', sdp: this.adjustAnswer(resource.answer) });
      if (stale()) return;
      this.#watchTransport(pc, stale);
      this.#flush();
      if (pc.connectionState === 'connected') return;
      if (!hadServers && this.#servers.length) this.#later(RELAY_PATIENCE, () => this.restartIce());
      else this.#later(CONNECT_PATIENCE, () => this.#failed(new SignalError('no-media')));
    } catch (error) {
      if (stale()) return;
      const known = error instanceof SignalError || error.name === 'CaptureError';
      if (!known) console.warn('headwater:', error);
      this.#failed(known ? error : new SignalError('browser', { detail: error.message }));
    }
  }

  #failed(error) {
    this.error = error;
    const verdict = this.judge(error);
    this.#drop();
    if (verdict === 'error') return this.#set('error');
    this.#failures += 1;
    const grown = Math.min(LONGEST_PAUSE, 500 * 2 ** Math.min(this.#failures, 6));
    const pause = (error.retryAfter ?? (verdict === 'offline' ? 2000 : grown)) * (0.75 + Math.random() / 2);
    this.pauseUntil = performance.now() + pause;
    this.#later(pause, () => this.#open());
    this.#set(verdict === 'offline' ? 'offline' : 'reconnecting');
  }

  #watch(pc, stale) {
    pc.addEventListener('connectionstatechange', () => {
      if (stale()) return;
      if (pc.connectionState === 'connected') this.#connected();
      else if (pc.connectionState === 'disconnected') this.#later(DISCONNECT_PATIENCE, () => this.restartIce());
      else if (pc.connectionState === 'failed') this.restartIce();
    });
  }

  /** The server says goodbye with a DTLS close_notify: there is nothing to mend then. */
  #watchTransport(pc, stale) {
    const transport = pc.getTransceivers().map((t) => t.receiver.transport ?? t.sender.transport).find(Boolean);
    transport?.addEventListener('statechange', () => {
      if (!stale() && ['closed', 'failed'].includes(transport.state)) this.reconnect(100 + Math.random() * 300);
    });
  }

  #connected() {
    clearTimeout(this.#timer);
    this.marks.connected = performance.now();
    this.#failures = 0;
    this.error = null;
    this.#set('live');
  }

  /** Mends the path inside the session; falls back to a new session. */
  async restartIce() {
    const { pc, resource } = this;
    if (!pc || !resource || this.#mending || pc.signalingState !== 'stable') return;
    const attempt = this.#attempt;
    const stale = () => attempt !== this.#attempt;
    this.#mending = true;
    this.restarts += 1;
    if (pc.connectionState !== 'connected') this.#set('reconnecting');
    try {
      const answer = pc.remoteDescription.sdp;
      this.#collect(pc);
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      const restart = await resource.restart(fragment(pc.localDescription.sdp, [], false));
      if (stale()) return;
      await pc.setRemoteDescription({ type: 'answer', sdp: restartedAnswer(answer, restart) });
      this.#flush();
      if (pc.connectionState !== 'connected') this.#later(RESTART_PATIENCE, () => this.reconnect());
    } catch (error) {
      if (stale()) return;
      // The server forgot us (restarted, reaped), can't restart, or is away: start over.
      if (error.kind === 'unreachable') this.#failed(error);
      else this.reconnect(Math.random() * 300);
    } finally {
      if (!stale()) this.#mending = false;
    }
  }

  #networkChanged() {
    if (this.resource && navigator.onLine !== false) this.restartIce();
    else if (this.pauseUntil !== null) this.#later(50, () => this.#open()); // don't sit out the pause
  }

  /** Candidates found before the session has its URL wait here; then they leave in small batches. */
  #collect(pc) {
    const outbox = { pc, candidates: [], ended: false, timer: 0, open: false };
    this.#outbox = outbox;
    pc.onicecandidate = ({ candidate }) => {
      if (this.#outbox !== outbox) return;
      if (candidate?.candidate) outbox.candidates.push(candidate.candidate);
      else if (!candidate) outbox.ended = true;
      if (outbox.open) this.#flush();
    };
  }

  #flush() {
    const outbox = this.#outbox;
    if (!outbox || outbox.timer) return;
    outbox.open = true;
    outbox.timer = setTimeout(async () => {
      outbox.timer = 0;
      if (this.#outbox !== outbox || !this.resource || !(outbox.candidates.length || outbox.ended)) return;
      const body = fragment(outbox.pc.localDescription.sdp, outbox.candidates.splice(0), outbox.ended);
      outbox.ended = false;
      try {
        await this.resource.trickle(body);
      } catch (error) {
        // Checks from our side reach a server with a public address anyway; the connection itself will tell.
        console.info('headwater: the server did not take our candidates:', error.message);
      }
    }, TRICKLE_PAUSE);
  }

  #later(pause, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, pause);
  }

  #drop() {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#mending = false;
    this.#outbox = null;
    const { pc, resource } = this;
    this.pc = this.resource = null;
    if (!resource) return pc?.close();
    // DELETE goes first: after the DTLS goodbye there would be no session left to delete.
    setTimeout(() => pc.close(), GOODBYE_PATIENCE);
    resource.delete().then(() => pc.close());
  }

  #end(state) {
    this.#drop();
    this.pauseUntil = null;
    this.#set(state);
  }

  #set(state) {
    const before = this.state;
    this.state = state;
    this.dispatchEvent(new CustomEvent('state', { detail: { state, before } }));
  }
}
