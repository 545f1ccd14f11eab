// WHIP (RFC 9725): publishing one stream.

import { Peer } from './peer.js';
import { preferCodec } from './codecs.js';
import { withStartBitrate } from './sdp.js';

const START_BITRATE = 1_200_000; // bits/s: a picture worth looking at from the first second, without flooding a thin line
const TAKEN_PATIENCE = 12; // tries while the server still holds our last session

export class WhipClient extends Peer {
  /**
   * `tracks` is `{ video, audio }`, each a MediaStreamTrack, null (negotiated, but silent for now) or undefined (left out).
   * `encoding` is `{ codec, bitrate, fps, degradation }`, each optional.
   */
  constructor(endpoint, { headers, relay, tracks, encoding = {} }) {
    super(endpoint, { headers, relay });
    this.tracks = tracks;
    this.encoding = encoding;
    this.#senders = {};
  }

  #senders;
  #conflicts = 0;

  async prepare(pc) {
    this.#senders = {};
    const stream = new MediaStream([this.tracks.audio, this.tracks.video].filter(Boolean));
    for (const kind of ['audio', 'video']) {
      const track = this.tracks[kind];
      if (track === undefined) continue;
      const { bitrate, fps } = this.encoding;
      const limits = kind === 'video' ? { ...(bitrate && { maxBitrate: bitrate }), ...(fps && { maxFramerate: fps }) } : {};
      const transceiver = pc.addTransceiver(track ?? kind, {
        direction: 'sendonly', streams: [stream], sendEncodings: [limits],
      });
      if (kind === 'video' && this.encoding.codec) preferCodec(transceiver, this.encoding.codec, 'send');
      this.#senders[kind] = transceiver.sender;
    }
    if (this.encoding.degradation) await this.limit(this.encoding).catch(() => {}); // a wish; not every browser knows it
  }

  adjustAnswer(answer) {
    this.#conflicts = 0;
    return withStartBitrate(answer, Math.min(START_BITRATE, this.encoding.bitrate ?? START_BITRATE));
  }

  judge(error) {
    const wasLive = this.sessions > 0;
    if (error.kind === 'conflict' && wasLive) return ++this.#conflicts <= TAKEN_PATIENCE ? 'retry' : 'error';
    if (!wasLive) return 'error';
    if (error.kind === 'no-media') return this.marks.connected ? 'retry' : 'error';
    return ['unreachable', 'full', 'server', 'stale', 'browser'].includes(error.kind) ? 'retry' : 'error';
  }

  /** Sends another track of the same kind from now on, without renegotiation; null for none. */
  async replace(kind, track) {
    if (this.tracks[kind] === undefined) return; // this kind was left out of the offer
    this.tracks[kind] = track;
    await this.#senders[kind]?.replaceTrack(track);
  }

  /** Changes the limits of the running encoder. */
  async limit({ bitrate, fps, degradation }) {
    Object.assign(this.encoding, { bitrate, fps, degradation });
    const sender = this.#senders.video;
    const parameters = sender?.getParameters();
    if (!parameters?.encodings?.length) return;
    for (const [name, value] of Object.entries({ maxBitrate: bitrate, maxFramerate: fps })) {
      if (value) parameters.encodings[0][name] = value;
      else delete parameters.encodings[0][name];
    }
    if (degradation) parameters.degradationPreference = degradation;
    await sender.setParameters(parameters);
  }
}
