// What the publisher sees while live: time on air, viewers, sound level, statistics; and a screen that stays awake.

import { bearer } from './token.js';
import { $, bitrate, codecName, counted, duration, facts, liveStreams, milliseconds, say, show, viewersOf } from './ui.js';

const LIMITS = { cpu: 'This device is busy', bandwidth: 'The line is slow', other: 'The browser holds back' };

export class Gauge {
  constructor({ stats, source, stream }) {
    Object.assign(this, { stats, source, stream });
  }

  #since = 0;
  #timer = 0;
  #listAllowed = true;
  #lock = null;
  #meter = null;

  start() {
    if (this.#timer) return;
    this.#since = Date.now();
    this.#listAllowed = true;
    let turn = 0;
    const tick = () => {
      say($('elapsed'), duration(Date.now() - this.#since));
      show($('elapsed'), true);
      this.#showStats();
      if (turn++ % 4 === 0) this.#showViewers();
    };
    this.#timer = setInterval(tick, 1000);
    tick();
    this.#stayAwake();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#lock?.release().catch(() => {});
    this.#lock = null;
    for (const id of ['elapsed', 'viewers']) show($(id), false);
    $('stats').replaceChildren();
    say($('stats-line'), '');
  }

  async #stayAwake() {
    const request = async () => {
      if (this.#timer && document.visibilityState === 'visible') this.#lock = await navigator.wakeLock?.request('screen').catch(() => null);
    };
    document.addEventListener('visibilitychange', request);
    await request();
  }

  async #showViewers() {
    if (!this.#listAllowed) return;
    try {
      const list = await liveStreams({ ...bearer('watch'), ...bearer('admin') });
      this.#listAllowed = list !== null;
      const viewers = viewersOf(list?.find((item) => item.name === this.stream()));
      show($('viewers'), viewers !== null && this.#timer !== 0);
      if (viewers !== null) say($('viewers'), viewers ? counted(viewers, 'viewer') : 'No viewers yet');
    } catch {
      // the server is away; the connection itself tells
    }
  }

  async #showStats() {
    const stats = await this.stats();
    if (!stats || !this.#timer) return;
    const { video, audio, connection } = stats;
    const size = video?.width ? `${video.width} × ${video.height}` : null;
    say($('stats-line'), [video?.height && `${video.height}p${video.fps ?? ''}`, bitrate((video?.kbps ?? 0) + (audio?.kbps ?? 0))].filter(Boolean).join(' · '));
    facts($('stats'), [
      ['Picture', size],
      ['Frames', video && video.fps != null && `${video.fps} per second`],
      ['Video', video && [codecName(video.codec), bitrate(video.kbps)].filter(Boolean).join(', ')],
      ['Sound', audio && [codecName(audio.codec), bitrate(audio.kbps)].filter(Boolean).join(', ')],
      ['Room on the line', connection.availableKbps && bitrate(connection.availableKbps), 'What the browser thinks it could send'],
      ['Round trip', milliseconds(connection.rttMs)],
      ['Loss', video?.lossPercent != null ? `${video.lossPercent} %` : null],
      ['Encoding', video?.encodeMs != null ? `${video.encodeMs} ms a frame` : null, video?.encoder],
      ['Held back by', LIMITS[video?.limitedBy]],
      ['Path', connection.path && [connection.path, connection.remote].filter(Boolean).join(' to ')],
      ['Encryption', connection.dtls && `DTLS ${connection.dtls}`, [connection.dtlsCipher, connection.srtpCipher].filter(Boolean).join(', ')],
    ]);
  }

  /** Shows the level of a sound track. */
  listen(track) {
    this.#meter?.close();
    this.#meter = null;
    show($('level'), Boolean(track));
    if (!track || !globalThis.AudioContext) return;
    if (navigator.userActivation?.hasBeenActive === false) {
      // Browsers start no audio before a first tap or key: measure from then on.
      addEventListener('pointerdown', () => this.#meter === null && this.listen(track), { once: true });
      return;
    }
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 512 });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let level = 0;
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      level = Math.max(track.enabled ? peak : 0, level * 0.8);
      $('level').value = Math.min(1, level ** 0.5);
    }, 60);
    this.#meter = {
      close: () => {
        clearInterval(timer);
        context.close();
      },
    };
  }
}
