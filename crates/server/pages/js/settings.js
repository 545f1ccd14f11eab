// The settings form of the publish page: fills the pickers, reads the choice, remembers it.

import { devices } from './sources.js';
import { videoCodecs } from './codecs.js';
import { bitrate as bitrateText, el, say, show } from './ui.js';
import { $ } from './ui.js';

const SIZES = [[640, 360], [854, 480], [1280, 720], [1920, 1080], [2560, 1440], [3840, 2160]];
const RATES = [15, 24, 30, 60];
const BITRATES = [500, 1000, 1500, 2500, 4000, 6000, 8000, 12000]; // kbit/s
const CODEC_LABELS = { VP8: 'VP8', H264: 'H.264', VP9: 'VP9', AV1: 'AV1' };
const STORE = 'headwater.settings';

/** Bits per second that suit a picture: measured against 2.5 Mbit/s for 720p at 30. */
function suitableBitrate({ width, height, fps }) {
  const pixels = (width * height) / (1280 * 720);
  const rate = 2_500_000 * pixels ** 0.75 * Math.max(0.6, (fps / 30) ** 0.5);
  return Math.round(rate / 100_000) * 100_000;
}

function fill(select, options, wanted) {
  const before = wanted ?? select.value;
  select.replaceChildren(...options.map(([value, label]) => el('option', { value }, label)));
  if (options.some(([value]) => String(value) === String(before))) select.value = before;
}

export class Settings {
  /** `params` (from the address) win over what was remembered. */
  constructor(form, params) {
    this.form = form;
    this.params = params;
    const saved = this.#load();
    const size = params.width && params.height ? [params.width, params.height]
      : params.height ? [Math.round((params.height * 16) / 9 / 2) * 2, params.height]
      : params.width ? [params.width, Math.round((params.width * 9) / 16 / 2) * 2] : null;
    this.#fillQuality(size, saved);
    $('stream').value = params.stream;
    this.source = params.source ?? null;
    this.saved = saved;
    form.addEventListener('change', () => {
      this.describe();
      this.#save();
    });
  }

  #fillQuality(size, saved) {
    const { fps, bitrate, codec } = this.params;
    const own = (list, value) => (value && !list.includes(value) ? [...list, value].sort((a, b) => a - b) : list);
    const sizes = size && !SIZES.some(([w, h]) => w === size[0] && h === size[1]) ? [...SIZES, size] : SIZES;
    const label = ([w, h]) => (SIZES.includes([w, h]) || w * 9 === h * 16 || h === 480 ? `${h}p` : `${w} × ${h}`);
    fill($('resolution'), sizes.map((s) => [s.join('x'), label(s)]), size?.join('x') ?? saved.resolution ?? '1280x720');
    if (!$('resolution').value) $('resolution').value = '1280x720';
    fill($('fps'), own(RATES, fps).map((n) => [n, `${n} fps`]), fps ?? saved.fps ?? 30);
    const kbps = own(BITRATES, bitrate && bitrate / 1000);
    fill($('bitrate'), [['auto', 'Automatic'], ...kbps.map((n) => [n * 1000, bitrateText(n)])], bitrate ?? saved.bitrate ?? 'auto');
    const codecs = videoCodecs('send');
    if (codec && !codecs.includes(codec)) codecs.push(codec); // its error says what is wrong
    fill($('codec'), [['', 'Automatic'], ...codecs.map((name) => [name, CODEC_LABELS[name] ?? name])], codec ?? saved.codec ?? '');
  }

  get source() {
    return this.form.elements.source.value;
  }

  set source(kind) {
    const input = kind && $(`source-${kind}`);
    if (input) input.checked = true;
  }

  /** Fills the device pickers for the chosen source; labels come once the person allowed a device. */
  async refreshDevices() {
    const { cameras, microphones } = await devices();
    fill($('camera'), cameras.length ? cameras : [['', 'Default camera']]);
    const named = microphones.length ? microphones : [['', 'Default microphone']];
    const choices = {
      camera: [...named, ['none', 'No sound']],
      screen: [['screen', 'Sound of the shared screen'], ...named, ['none', 'No sound']],
      testcard: [['beep', 'A beep each second'], ['none', 'No sound']],
    }[this.source] ?? named;
    fill($('sound'), choices, this.params.audio === false ? 'none' : undefined);
    show(this.form.querySelector('[data-for=camera]'), this.source === 'camera');
    this.describe();
  }

  /** The choice, in the terms of sources.js and whip.js. */
  read() {
    const [width, height] = $('resolution').value.split('x').map(Number);
    const fps = Number($('fps').value);
    const chosen = $('bitrate').value;
    return {
      kind: this.source, width, height, fps,
      camera: $('camera').value, sound: $('sound').value,
      video: this.params.video, audio: this.params.audio,
      bitrate: chosen === 'auto' ? suitableBitrate({ width, height, fps }) : Number(chosen),
      codec: $('codec').value || null,
    };
  }

  describe() {
    const { height, width, fps, bitrate, codec } = this.read();
    const size = width * 9 === height * 16 ? `${height}p` : `${width} × ${height}`;
    say($('quality-line'), [`${size}${fps}`.replace(/p30$/, 'p30'), bitrateText(bitrate / 1000), codec && CODEC_LABELS[codec]].filter(Boolean).join(' · '));
    say($('source-hint'), {
      camera: '', screen: 'Your browser asks which screen, window or tab.',
      testcard: 'A moving picture with a clock and a beep. Needs no camera.',
    }[this.source] ?? '');
  }

  /** While live, name and codec stay as they are. */
  lock(live) {
    $('stream').readOnly = live;
    $('codec').disabled = live;
    show($('codec-hint'), live);
  }

  #load() {
    try {
      return JSON.parse(localStorage.getItem(STORE)) ?? {};
    } catch {
      return {};
    }
  }

  #save() {
    const { resolution, fps, bitrate, codec } = this.form.elements;
    const values = { source: this.source, resolution: resolution.value, fps: fps.value, bitrate: bitrate.value, codec: codec.value };
    try {
      localStorage.setItem(STORE, JSON.stringify(values));
    } catch {
      // storage is blocked: nothing is remembered
    }
  }
}
