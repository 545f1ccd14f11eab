// A synthetic camera and microphone: a moving picture with the time in it, a flash and a beep at every full second.

import { FLASH_MS, drawFlash, drawStamp, now } from '/stamp.js';

export class Source {
  /** `audio`: 'beep' (needs a running AudioContext), 'device' (the browser's fake microphone) or false. */
  constructor({ width = 640, height = 360, fps = 30, video = true, audio = 'beep' } = {}) {
    Object.assign(this, { width, height, fps, video, audio });
    this.stream = new MediaStream();
    this.frames = 0;
  }

  async start() {
    if (this.video) this.#startVideo();
    if (this.audio === 'beep') await this.#startBeep();
    if (this.audio === 'device') {
      const devices = await navigator.mediaDevices.getUserMedia({ audio: true });
      for (const track of devices.getTracks()) this.stream.addTrack(track);
    }
    return this;
  }

  /** Changes the picture's size from the next frame on. */
  resize(width, height) {
    Object.assign(this, { width, height });
  }

  stop() {
    clearTimeout(this.timer);
    clearInterval(this.beeper);
    for (const track of this.stream.getTracks()) track.stop();
    this.canvas?.remove();
    return this.audioContext?.close();
  }

  #startVideo() {
    this.canvas = document.createElement('canvas');
    document.body.append(this.canvas);
    const context = this.canvas.getContext('2d', { alpha: false });
    const began = performance.now();
    const draw = () => {
      const { width, height, canvas } = this;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      this.#drawBackground(context);
      const time = now();
      drawFlash(context, width, height, time);
      drawStamp(context, width, height, time);
      this.frames++;
      // Rounded: a timer that fires a little early must not draw the same tick twice.
      const tick = Math.round((performance.now() - began) * this.fps / 1000);
      const next = began + (tick + 1) * 1000 / this.fps;
      this.timer = setTimeout(draw, next - performance.now());
    };
    draw();
    this.stream.addTrack(this.canvas.captureStream().getVideoTracks()[0]);
  }

  /** Enough movement for a steady bit rate, little enough to leave the processor to the encoder. */
  #drawBackground(context) {
    const { width, height, frames } = this;
    const columns = 24;
    const step = width / columns;
    for (let i = 0; i < columns; i++) {
      context.fillStyle = `hsl(${(i * 15 + frames * 3) % 360} 60% 45%)`;
      context.fillRect(i * step, height / 6, step + 1, height * 2 / 3);
    }
    context.fillStyle = '#eee';
    context.fillRect((frames * 5) % width, height * (0.4 + 0.2 * Math.sin(frames / 20)), width / 10, height / 8);
  }

  async #startBeep() {
    this.audioContext = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
    await this.audioContext.resume();
    const context = this.audioContext;
    const oscillator = new OscillatorNode(context, { frequency: 1000 });
    const gate = new GainNode(context, { gain: 0 });
    const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
    oscillator.connect(gate).connect(destination);
    oscillator.start();
    let scheduled = 0;
    this.beeper = setInterval(() => {
      const time = now();
      const second = Math.ceil((time + 60) / 1000) * 1000;
      if (second === scheduled || second - time > 400) return;
      scheduled = second;
      const at = context.currentTime + (second - time) / 1000;
      gate.gain.setValueAtTime(0.8, at);
      gate.gain.setValueAtTime(0, at + FLASH_MS / 1000);
    }, 50);
    this.stream.addTrack(destination.stream.getAudioTracks()[0]);
  }
}
