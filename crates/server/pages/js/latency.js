// How old the picture on the screen is: three readings, each labelled with what it really measures.
//
//  clock    The test card's own clock, read back from the picture. From drawing to screen; exact on one machine,
//           and as good as the two clocks agree on two.
//  frames   The browser's estimate for each frame: when it is shown, minus when its sender report says it was captured
//           (requestVideoFrameCallback's captureTime). Leaves out the camera and the display.
//  transit  Where a browser tells neither: half a round trip to the server + receive buffer + decoding. A lower bound.

import { age } from './cardcode.js';

const SAMPLES = 30;

const median = (list) => (list.length ? [...list].sort((a, b) => a - b)[list.length >> 1] : null);

export class LatencyMeter {
  constructor(video) {
    this.video = video;
    this.#next();
  }

  #frames = [];
  #cards = [];
  #count = 0;

  /** Forgets what it saw: another session, or a pause. */
  reset() {
    this.#frames = [];
    this.#cards = [];
  }

  #next() {
    this.video.requestVideoFrameCallback?.((now, frame) => {
      this.#count += 1;
      if (frame.captureTime) push(this.#frames, frame.expectedDisplayTime - frame.captureTime);
      if (this.#count % 15 === 1) {
        // What is drawn now will be on the screen at expectedDisplayTime.
        const card = age(this.video);
        if (card === null) this.#cards = [];
        else push(this.#cards, card + Math.max(0, frame.expectedDisplayTime - performance.now()), 5);
      }
      this.#next();
    });
  }

  /** { ms, method, label } by the best method at hand, or null. */
  read(stats) {
    const plausible = (value) => value !== null && value > -50 && value < 60_000;
    const card = median(this.#cards);
    if (plausible(card)) return { ms: Math.round(card), method: 'clock', label: 'By the test card’s clock: from drawing to screen, if both clocks agree.' };
    const frames = median(this.#frames);
    if (plausible(frames)) return { ms: Math.max(0, Math.round(frames)), method: 'frames', label: 'Estimated from the stream’s time stamps: from capture to screen, without camera and display.' };
    const { video, connection } = stats ?? {};
    if (video?.bufferMs == null || connection?.rttMs == null) return null;
    return {
      ms: Math.round(connection.rttMs / 2 + video.bufferMs + (video.decodeMs ?? 0)), method: 'transit',
      label: 'At least this much: half a round trip, receive buffer and decoding. What comes before the server isn’t in it.',
    };
  }
}

function push(list, value, most = SAMPLES) {
  list.push(value);
  if (list.length > most) list.shift();
}
