// A synthetic source: a moving test card with a clock, and a beep at each full second together with a flash.
//
// It needs no camera and no permission, and shows at a glance whether a stream is smooth, sharp, current and in sync.

import { CELLS, FLASH, FLASH_MS, STRIP, encode } from './cardcode.js';

const BARS = ['#c0c0c0', '#c0c000', '#00c0c0', '#00c000', '#c000c0', '#c00000', '#0000c0'];
const BEEP = { hertz: 1000, seconds: 0.06, gain: 0.25 };
const MONO = 'ui-monospace, "SF Mono", "Roboto Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export class TestCard {
  constructor({ width = 1280, height = 720, fps = 30, name = 'headwater', sound = true } = {}) {
    this.canvas = Object.assign(document.createElement('canvas'), { width, height });
    this.context = this.canvas.getContext('2d', { alpha: false });
    this.fps = fps;
    this.name = name;
    this.frames = 0;
    this.#paint();
    // Every drawing is a frame; the ticker sets the pace.
    this.stream = this.canvas.captureStream();
    if (sound) this.#startSound();
    this.#startTicks();
  }

  #ticker = null;
  #interval = 0;
  #audio = null;

  #startTicks() {
    try {
      this.#ticker = new Worker('/js/ticker.js');
      this.#ticker.onmessage = () => this.#tick();
      this.#ticker.postMessage(this.fps);
    } catch {
      this.#interval = setInterval(() => this.#tick(), 1000 / this.fps);
    }
  }

  #startSound() {
    const Context = globalThis.AudioContext ?? globalThis.webkitAudioContext;
    if (!Context) return;
    const context = new Context({ latencyHint: 'interactive' });
    const oscillator = new OscillatorNode(context, { frequency: BEEP.hertz });
    const gate = new GainNode(context, { gain: 0 });
    const out = context.createMediaStreamDestination();
    oscillator.connect(gate).connect(out);
    oscillator.start();
    this.stream.addTrack(out.stream.getAudioTracks()[0]);
    this.#audio = { context, gate, scheduled: 0 };
  }

  /** Browsers start audio only after a tap or key: call this from one. */
  async resume() {
    await this.#audio?.context.resume().catch(() => {});
  }

  get silent() {
    return Boolean(this.#audio) && this.#audio.context.state !== 'running';
  }

  resize(width, height, fps) {
    Object.assign(this.canvas, { width, height });
    this.fps = fps;
    this.#ticker?.postMessage(fps);
    this.#paint();
  }

  stop() {
    this.#ticker?.terminate();
    clearInterval(this.#interval);
    this.#audio?.context.close();
    for (const track of this.stream.getTracks()) track.stop();
  }

  #tick() {
    this.frames += 1;
    this.#paint();
    this.#beep();
  }

  /** Plans the beep of the next full second a little ahead, on the audio clock. */
  #beep() {
    const audio = this.#audio;
    if (audio?.context.state !== 'running') return;
    const now = Date.now();
    const second = Math.ceil(now / 1000) * 1000;
    if (second - now > 250 || second === audio.scheduled) return;
    audio.scheduled = second;
    const start = audio.context.currentTime + (second - now) / 1000;
    const { gain } = audio.gate;
    gain.setValueAtTime(0, start);
    gain.linearRampToValueAtTime(BEEP.gain, start + 0.002);
    gain.setValueAtTime(BEEP.gain, start + BEEP.seconds);
    gain.linearRampToValueAtTime(0, start + BEEP.seconds + 0.004);
  }

  #paint() {
    const { context: c, canvas: { width: w, height: h } } = this;
    const now = Date.now();
    const phase = (now % 1000) / 1000;
    c.fillStyle = '#0d1414';
    c.fillRect(0, 0, w, h);
    paintBars(c, w, h);
    paintClock(c, w, h, now, this.name, `${w} × ${h} · ${this.fps} fps`);
    paintDial(c, w, h, now, phase);
    paintRunner(c, w, h, now);
    paintStrip(c, w, h, now);
  }
}

function paintBars(c, w, h) {
  BARS.forEach((color, i) => {
    c.fillStyle = color;
    c.fillRect(Math.floor((i * w) / BARS.length), 0, Math.ceil(w / BARS.length), h * 0.44);
  });
  for (let i = 0; i < 16; i += 1) {
    const grey = Math.round((i * 255) / 15);
    c.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    c.fillRect(Math.floor((i * w) / 16), h * 0.44, Math.ceil(w / 16), h * 0.06);
  }
}

/** Sizes follow the height, or the width of pictures narrower than 16:9. */
const unit = (w, h) => Math.min(h, (w * 9) / 16);

function paintClock(c, w, h, now, name, format) {
  const u = unit(w, h);
  const date = new Date(now);
  const two = (n) => String(n).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  c.textBaseline = 'alphabetic';
  c.textAlign = 'left';
  c.font = `600 ${u * 0.13}px ${MONO}`;
  c.fillStyle = '#f2f7f6';
  c.fillText(time, w * 0.05, h * 0.66);
  const shift = c.measureText(time).width;
  c.font = `500 ${u * 0.075}px ${MONO}`;
  c.fillStyle = '#4fd1c5';
  c.fillText(`.${String(date.getMilliseconds()).padStart(3, '0')}`, w * 0.05 + shift, h * 0.66);
  c.font = `600 ${u * 0.055}px ${SANS}`;
  c.fillStyle = '#f2f7f6';
  c.fillText(name, w * 0.052, h * 0.755, w * 0.6);
  c.font = `400 ${u * 0.04}px ${SANS}`;
  c.fillStyle = '#8fa3a0';
  c.fillText(format, w * 0.052, h * 0.815);
}

/** One turn a second; the disc in the middle flashes with the beep. */
function paintDial(c, w, h, now, phase) {
  const x = FLASH.x * w;
  const y = FLASH.y * h;
  const u = unit(w, h);
  const radius = u * 0.16;
  c.lineWidth = Math.max(1, u * 0.006);
  c.strokeStyle = '#2c3a3a';
  c.beginPath();
  c.arc(x, y, radius, 0, Math.PI * 2);
  c.stroke();
  c.strokeStyle = '#4fd1c5';
  c.lineWidth = Math.max(2, u * 0.014);
  c.beginPath();
  c.arc(x, y, radius, -Math.PI / 2, -Math.PI / 2 + phase * Math.PI * 2);
  c.stroke();
  c.fillStyle = now % 1000 < FLASH_MS ? '#ffffff' : '#1d2828';
  c.beginPath();
  c.arc(x, y, FLASH.radius * u, 0, Math.PI * 2);
  c.fill();
}

/** A ball that crosses the picture in four seconds: stutter shows at once. */
function paintRunner(c, w, h, now) {
  const swing = 1 - Math.abs(((now % 4000) / 2000) - 1);
  c.fillStyle = '#2c3a3a';
  c.fillRect(w * 0.05, h * 0.872, w * 0.9, Math.max(1, h * 0.004));
  c.fillStyle = '#ffb454';
  c.beginPath();
  c.arc(w * (0.06 + swing * 0.88), h * 0.874, h * 0.017, 0, Math.PI * 2);
  c.fill();
}

function paintStrip(c, w, h, now) {
  const [x, y, width, height] = [STRIP.x * w, STRIP.y * h, STRIP.width * w, STRIP.height * h];
  c.fillStyle = '#000';
  c.fillRect(x, y, width, height);
  c.fillStyle = '#fff';
  const edge = (i) => Math.round(x + (i * width) / CELLS);
  encode(now).forEach((white, i) => white && c.fillRect(edge(i), y, edge(i + 1) - edge(i), height));
}
