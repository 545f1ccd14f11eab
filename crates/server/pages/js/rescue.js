// A viewer who stays connected but gets nothing, while the server says that the stream is live: join anew.
//
// Normally the picture goes on by itself when the publisher is back. This is the safety net for when it doesn't.

import { bearer } from './token.js';
import { liveStreams } from './ui.js';

const FIRST_PAUSE = 6_000; // ms of silence until the first look; doubles with each rejoin that didn't help
const LONGEST_PAUSE = 60_000;

export class Rescue {
  constructor(client, stream) {
    this.client = client;
    this.stream = stream;
  }

  #silentSince = 0;
  #pause = FIRST_PAUSE;
  #looking = false;

  /** Media flows: all is well. */
  rest() {
    this.#silentSince = 0;
    this.#pause = FIRST_PAUSE;
  }

  /** Called about once a second while connected without media. */
  async consider(now = performance.now()) {
    this.#silentSince ||= now;
    if (this.#looking || now - this.#silentSince < this.#pause) return;
    this.#looking = true;
    try {
      const list = await liveStreams({ ...bearer('watch'), ...bearer('admin') });
      if (list?.some((item) => item.name === this.stream && item.live) && this.client.state === 'live') {
        this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
        this.client.reconnect(Math.random() * 500);
      }
    } catch {
      // the server is away: the connection will tell
    } finally {
      this.#silentSince = performance.now();
      this.#looking = false;
    }
  }
}
