// WHEP (draft-ietf-wish-whep): watching one stream.

import { Peer } from './peer.js';
import { preferCodec } from './codecs.js';

const CODEC_RETRY = 10_000; // ms: the publisher may come back with another codec

export class WhepClient extends Peer {
  /** `onTrack(track, stream)` is called for each arriving track; `kinds` lists what to ask for. */
  constructor(endpoint, { headers, relay, onTrack, codec = null, kinds = ['audio', 'video'] }) {
    super(endpoint, { headers, relay });
    this.onTrack = onTrack;
    this.codec = codec;
    this.kinds = kinds;
  }

  prepare(pc) {
    const stream = new MediaStream();
    pc.addEventListener('track', ({ track, receiver }) => {
      // The newest picture, not the smoothest one. Audio keeps its own buffer: at zero it crackles.
      if (track.kind === 'video' && 'jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
      stream.addTrack(track);
      this.onTrack(track, stream);
    });
    for (const kind of this.kinds) {
      const transceiver = pc.addTransceiver(kind, { direction: 'recvonly' });
      if (kind === 'video' && this.codec) preferCodec(transceiver, this.codec, 'receive');
    }
  }

  judge(error) {
    switch (error.kind) {
      case 'conflict': return 'offline';
      case 'codec':
        error.retryAfter ??= CODEC_RETRY;
        return 'offline';
      case 'unreachable': case 'full': case 'server': case 'stale': case 'no-media': case 'browser': return 'retry';
      default: return 'error';
    }
  }
}
