// A viewer that measures what reaches the eye and the ear.

import { StampReader, age, now } from '/stamp.js';

const MAX_RECORDS = 20000;

const percentile = (sorted, share) => sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] : null;
const round = value => value === null ? null : Math.round(value * 10) / 10;
const distribution = values => {
  const sorted = values.toSorted((a, b) => a - b);
  return { count: sorted.length, min: round(sorted[0] ?? null), p50: round(percentile(sorted, 0.5)), p95: round(percentile(sorted, 0.95)), max: round(sorted.at(-1) ?? null) };
};

export class Viewer {
  /** `since`: when the user asked for the stream; `listen`: measure the sound with an AudioContext too. */
  constructor(stream, { since = now(), listen = false, pc = null } = {}) {
    Object.assign(this, { stream, since, pc });
    this.frames = []; // {time, age, width, height, flash}
    this.beeps = []; // wall-clock milliseconds at which a beep began
    this.sound = []; // {time, energy}: mean square of each 100 ms that were heard
    this.reader = new StampReader();
    this.video = document.createElement('video');
    Object.assign(this.video, { autoplay: true, playsInline: true, srcObject: stream });
    document.body.append(this.video);
    this.video.play().catch(error => { this.playError = String(error); });
    const watch = () => {
      const time = now();
      const { stamp, flash } = this.reader.read(this.video);
      if (this.frames.length < MAX_RECORDS) {
        const { videoWidth: width, videoHeight: height } = this.video;
        this.frames.push({ time, age: stamp === null ? null : age(time, stamp), width, height, flash });
      }
      this.handle = this.video.requestVideoFrameCallback(watch);
    };
    this.handle = this.video.requestVideoFrameCallback(watch);
    this.listening = listen ? this.#listen() : Promise.resolve();
  }

  close() {
    this.video.cancelVideoFrameCallback(this.handle);
    this.video.srcObject = null;
    this.video.remove();
    clearInterval(this.clock);
    return this.audioContext?.close();
  }

  /** Resolves with the first frame that was drawn by the source after `drawnAfter`. */
  async frameAfter(drawnAfter, limit = 10000) {
    const end = performance.now() + limit;
    let next = 0;
    while (performance.now() < end) {
      for (; next < this.frames.length; next++) {
        const frame = this.frames[next];
        if (frame.age !== null && frame.time - frame.age >= drawnAfter) return frame;
      }
      await new Promise(wake => setTimeout(wake, 2));
    }
    throw new Error(`no frame drawn after ${drawnAfter} within ${limit} ms; ${this.frames.length} frames so far`);
  }

  /** What happened between two times (wall-clock milliseconds). */
  summary(from = 0, to = Infinity) {
    const frames = this.frames.filter(({ time }) => time >= from && time <= to);
    const gaps = frames.slice(1).map((frame, i) => frame.time - frames[i].time);
    const last = frames.at(-1);
    return {
      frames: frames.length,
      stamped: frames.filter(frame => frame.age !== null).length,
      latency: distribution(frames.filter(frame => frame.age !== null).map(frame => frame.age)),
      longestGap: gaps.length ? round(Math.max(...gaps)) : null,
      width: last?.width ?? 0,
      height: last?.height ?? 0,
      firstFrame: this.frames.length ? round(this.frames[0].time - this.since) : null,
      lipSync: this.#lipSync(from, to),
      energy: Math.max(0, ...this.sound.filter(({ time }) => time >= from && time <= to).map(({ energy }) => energy)),
    };
  }

  /** How much later the ear gets a second than the eye. Both are aged against the source's clock, so that the
   *  picture's raster does not count. */
  #lipSync(from, to) {
    const offsets = [];
    for (const beep of this.beeps) {
      if (beep < from || beep > to) continue;
      const near = this.frames.filter(frame => frame.age !== null && Math.abs(frame.time - beep) < 500);
      // The flash as the picture shows it; the stamps only tell when it was drawn.
      const first = near.find((frame, i) => frame.flash && i > 0 && !near[i - 1].flash);
      if (!first) continue;
      const second = Math.round((beep - first.age) / 1000) * 1000;
      offsets.push((beep - second) - first.age);
    }
    return distribution(offsets);
  }

  async #listen() {
    this.audioContext = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
    const context = this.audioContext;
    await context.resume();
    await context.audioWorklet.addModule('/onset.js');
    // Rendering runs ahead in bursts: the largest lead seen lately is the best map from context to wall clock.
    let leads = [];
    this.clock = setInterval(() => {
      leads.push(context.currentTime * 1000 - now());
      if (leads.length > 200) leads = leads.slice(-150);
    }, 5);
    const node = new AudioWorkletNode(context, 'onset', { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => {
      if (data.energy !== undefined && this.sound.length < MAX_RECORDS) this.sound.push({ time: now(), energy: data.energy });
      if (data.onset !== undefined && this.beeps.length < MAX_RECORDS) this.beeps.push(data.onset * 1000 - Math.max(...leads));
    };
    while (!this.stream.getAudioTracks().length) await new Promise(wake => setTimeout(wake, 20));
    this.audioSource = new MediaStreamAudioSourceNode(context, { mediaStream: this.stream });
    this.audioSource.connect(node);
  }
}

/** The parts of the receiver's statistics that tests look at. */
export async function received(pc) {
  const result = { video: null, audio: null, pair: null, transport: null };
  const report = await pc.getStats();
  for (const entry of report.values()) {
    if (entry.type === 'inbound-rtp') {
      const { mimeType = null } = report.get(entry.codecId) ?? {};
      result[entry.kind] = { ...entry, mimeType };
    }
    if (entry.type === 'transport') result.transport = entry;
    if (entry.type === 'candidate-pair' && entry.state === 'succeeded' && (entry.nominated || entry.selected)) result.pair = entry;
  }
  const [audio, video] = [result.audio?.estimatedPlayoutTimestamp, result.video?.estimatedPlayoutTimestamp];
  // Positive: the sound that plays now is younger than the picture that shows now.
  result.playoutOffset = audio && video ? audio - video : null;
  return result;
}

export async function sent(pc) {
  const result = { video: [], audio: [], transport: null };
  for (const entry of (await pc.getStats()).values()) {
    if (entry.type === 'outbound-rtp') result[entry.kind].push(entry);
    if (entry.type === 'transport') result.transport = entry;
  }
  return result;
}
