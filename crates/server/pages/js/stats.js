// A digest of getStats(): the dozen numbers that tell how a stream is doing.

const round = (value, digits = 0) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);
const ms = (seconds, digits = 0) => round(seconds * 1000, digits);

const SHORTEST = 400; // ms that rates are taken over at least, however often somebody asks

/** Reads one peer connection again and again; rates are since the last read. */
export class StatsReader {
  constructor(pc) {
    this.pc = pc;
  }

  #last = new Map();
  #digest = null;
  #readAt = -Infinity;

  /** The digest; the last one again if that is younger than SHORTEST. */
  read() {
    if (performance.now() - this.#readAt >= SHORTEST) {
      this.#readAt = performance.now();
      this.#digest = this.#read();
    }
    return this.#digest;
  }

  async #read() {
    const report = await this.pc.getStats();
    const all = [...report.values()];
    const digest = { at: Date.now(), connection: this.#connection(report, all), video: null, audio: null };
    for (const item of all) {
      if (item.type === 'inbound-rtp') digest[item.kind] = this.#inbound(report, item);
      if (item.type === 'outbound-rtp' && item.kind === 'audio') digest.audio = this.#outbound(report, item);
    }
    // With several encodings the largest picture speaks for the stream.
    const sent = all.filter((item) => item.type === 'outbound-rtp' && item.kind === 'video');
    const largest = sent.sort((a, b) => (b.frameWidth ?? 0) - (a.frameWidth ?? 0))[0];
    if (largest) digest.video = this.#outbound(report, largest);
    this.#last = report;
    return digest;
  }

  /** How much a counter grew since the last read, and a per-second rate. */
  #grown(item, name) {
    const before = this.#last.get(item.id);
    return before ? Math.max(0, (item[name] ?? 0) - (before[name] ?? 0)) : (item[name] ?? 0);
  }

  #rate(item, name) {
    const before = this.#last.get(item.id);
    const seconds = before ? (item.timestamp - before.timestamp) / 1000 : 0;
    return seconds > 0 ? this.#grown(item, name) / seconds : NaN; // unknown: round() makes it null
  }

  #connection(report, all) {
    const transport = all.find((item) => item.type === 'transport');
    const pair = report.get(transport?.selectedCandidatePairId) ??
      all.find((item) => item.type === 'candidate-pair' && item.nominated && item.state === 'succeeded');
    const local = report.get(pair?.localCandidateId);
    const remote = report.get(pair?.remoteCandidateId);
    const address = remote?.address ?? remote?.ip;
    return {
      state: this.pc.connectionState,
      rttMs: ms(pair?.currentRoundTripTime, 1),
      path: local && `${local.candidateType} over ${local.protocol}`,
      remote: address && (address.includes(':') ? `[${address}]:${remote.port}` : `${address}:${remote.port}`),
      dtls: { FEFF: '1.0', FEFD: '1.2', FEFC: '1.3' }[transport?.tlsVersion?.toUpperCase()] ?? null,
      dtlsCipher: transport?.dtlsCipher ?? null,
      srtpCipher: transport?.srtpCipher ?? null,
      availableKbps: round(pair?.availableOutgoingBitrate / 1000),
      bytesReceived: pair?.bytesReceived ?? 0,
      bytesSent: pair?.bytesSent ?? 0,
    };
  }

  #codec(report, item) {
    return report.get(item.codecId)?.mimeType?.split('/')[1] ?? null;
  }

  #inbound(report, item) {
    const received = this.#grown(item, 'packetsReceived');
    const lost = this.#grown(item, 'packetsLost');
    const emitted = this.#grown(item, 'jitterBufferEmittedCount');
    const decoded = this.#grown(item, 'framesDecoded');
    const samples = this.#grown(item, 'totalSamplesReceived');
    return {
      codec: this.#codec(report, item),
      kbps: round(this.#rate(item, 'bytesReceived') * 8 / 1000),
      packets: item.packetsReceived ?? 0,
      packetsLost: item.packetsLost ?? 0,
      lossPercent: received + lost > 0 ? round((100 * lost) / (received + lost), 1) : 0,
      repaired: item.retransmittedPacketsReceived ?? null,
      jitterMs: ms(item.jitter, 1),
      bufferMs: emitted ? ms(this.#grown(item, 'jitterBufferDelay') / emitted) : null,
      playoutNtpMs: item.estimatedPlayoutTimestamp ?? null,
      ...(item.kind === 'video' ? {
        width: item.frameWidth ?? null, height: item.frameHeight ?? null,
        fps: round(this.#rate(item, 'framesDecoded'), 0) ?? item.framesPerSecond ?? null,
        framesReceived: item.framesReceived ?? 0,
        framesDecoded: item.framesDecoded ?? 0, framesDropped: item.framesDropped ?? 0,
        keyFrames: item.keyFramesDecoded ?? 0,
        decodeMs: decoded ? ms(this.#grown(item, 'totalDecodeTime') / decoded, 1) : null,
        freezes: item.freezeCount ?? 0, freezeSeconds: round(item.totalFreezesDuration, 1),
        nacks: item.nackCount ?? 0, keyFrameRequests: (item.pliCount ?? 0) + (item.firCount ?? 0),
        decoder: item.decoderImplementation ?? null,
      } : {
        level: round(item.audioLevel, 3),
        energy: item.totalAudioEnergy ?? null,
        concealedPercent: samples ? round((100 * this.#grown(item, 'concealedSamples')) / samples, 1) : null,
      }),
    };
  }

  #outbound(report, item) {
    const remote = report.get(item.remoteId);
    const source = report.get(item.mediaSourceId);
    const encoded = this.#grown(item, 'framesEncoded');
    return {
      codec: this.#codec(report, item),
      kbps: round(this.#rate(item, 'bytesSent') * 8 / 1000),
      packets: item.packetsSent ?? 0,
      packetsLost: remote?.packetsLost ?? 0,
      lossPercent: Number.isFinite(remote?.fractionLost) ? round(remote.fractionLost * 100, 1) : null,
      rttMs: ms(remote?.roundTripTime, 1),
      repaired: item.retransmittedPacketsSent ?? null,
      ...(item.kind === 'video' ? {
        width: item.frameWidth ?? null, height: item.frameHeight ?? null,
        fps: round(this.#rate(item, 'framesEncoded'), 0) ?? item.framesPerSecond ?? null,
        sourceFps: round(source?.framesPerSecond),
        framesEncoded: item.framesEncoded ?? 0,
        keyFrames: item.keyFramesEncoded ?? 0,
        targetKbps: round(item.targetBitrate / 1000),
        encodeMs: encoded ? ms(this.#grown(item, 'totalEncodeTime') / encoded, 1) : null,
        limitedBy: item.qualityLimitationReason ?? null,
        nacks: item.nackCount ?? 0, keyFrameRequests: (item.pliCount ?? 0) + (item.firCount ?? 0),
        encoder: item.encoderImplementation ?? null,
      } : { level: round(source?.audioLevel, 3) }),
    };
  }
}
