// Audio worklet: reports when a sound begins after silence, to the sample, in the context's time.

const LOUD = 0.05;
const SILENCE_SECONDS = 0.2;

registerProcessor('onset', class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.lastLoud = -1;
    this.energy = 0;
    this.samples = 0;
  }

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    for (let i = 0; i < channel.length; i++) {
      this.energy += channel[i] * channel[i];
      if (Math.abs(channel[i]) < LOUD) continue;
      const time = (currentFrame + i) / sampleRate;
      if (time - this.lastLoud > SILENCE_SECONDS) this.port.postMessage({ onset: time });
      this.lastLoud = time;
    }
    this.samples += channel.length;
    if (this.samples >= sampleRate / 10) {
      this.port.postMessage({ energy: this.energy / this.samples });
      this.energy = 0;
      this.samples = 0;
    }
    return true;
  }
});
