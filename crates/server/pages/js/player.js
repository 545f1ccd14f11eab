// The picture and its controls: sound and autoplay rules, full screen, picture in picture, keys.

import { setIcon } from './icons.js';
import { $, show } from './ui.js';

const IDLE = 2600; // ms without a move until the controls fade
const STORE = 'headwater.volume';

export class Player {
  constructor() {
    this.video = $('video');
    this.stage = $('stage');
    this.hasSound = false;
    this.#restore();
    this.#wireSound();
    this.#wireScreen();
    this.#wireControls();
    this.video.addEventListener('resize', () => this.#shape());
  }

  #idle = 0;
  #wantsMute = false; // the person's own choice, unlike a mute that the browser imposed

  /** Plays a new stream, with sound if the browser lets us. */
  async play(stream) {
    const { video } = this;
    if (stream && video.srcObject !== stream) video.srcObject = stream;
    if (!this.#wantsMute && !this.#imposed) video.muted = false;
    try {
      await video.play();
    } catch (error) {
      if (error.name !== 'NotAllowedError') return; // AbortError: a newer stream came
      try {
        this.#imposed = true;
        video.muted = true;
        await video.play();
      } catch (still) {
        show($('play'), still.name === 'NotAllowedError'); // not even silent: power saving on some phones
      }
    }
    this.render();
  }

  #imposed = false;

  get needsTap() {
    return this.#imposed && this.video.muted && this.hasSound;
  }

  /** Turns the sound on or off as the person asked. */
  setMuted(muted) {
    this.#wantsMute = muted;
    this.#imposed = false;
    this.video.muted = muted;
    if (!muted && this.video.volume === 0) this.video.volume = 1;
    if (this.video.paused) this.video.play().catch(() => {});
    this.#save();
    this.render();
  }

  render() {
    const { video } = this;
    const silent = video.muted || video.volume === 0;
    show($('unmute'), this.needsTap);
    show($('mute'), this.hasSound);
    show($('volume'), this.hasSound && this.#volumeWorks);
    setIcon($('mute'), silent ? 'volume-off' : 'volume');
    $('mute').setAttribute('aria-pressed', silent);
    $('mute').setAttribute('aria-label', silent ? 'Turn the sound on' : 'Mute');
    $('volume').value = silent ? 0 : Math.round(video.volume * 100);
    $('volume').style.setProperty('--value', `${$('volume').value}%`);
  }

  #volumeWorks = true;

  #wireSound() {
    const { video } = this;
    const before = video.volume;
    video.volume = 0.5;
    this.#volumeWorks = video.volume === 0.5; // on iPhones only the keys at the side change it
    video.volume = before;
    $('unmute').addEventListener('click', () => this.setMuted(false));
    this.stage.addEventListener('click', (event) => {
      if (this.needsTap && !event.target.closest('.controls, .cover')) this.setMuted(false); // the whole picture is the button
    });
    $('mute').addEventListener('click', () => this.setMuted(!video.muted && video.volume > 0));
    $('volume').addEventListener('input', () => {
      video.volume = Number($('volume').value) / 100;
      this.setMuted(video.volume === 0);
    });
    $('play').addEventListener('click', () => {
      show($('play'), false);
      this.setMuted(false);
    });
    video.addEventListener('volumechange', () => this.render());
  }

  #wireScreen() {
    const { video, stage } = this;
    const enter = stage.requestFullscreen ?? stage.webkitRequestFullscreen;
    const leave = document.exitFullscreen ?? document.webkitExitFullscreen;
    const current = () => document.fullscreenElement ?? document.webkitFullscreenElement;
    this.toggleFullscreen = async () => {
      if (current()) return leave.call(document);
      if (!enter) return video.webkitEnterFullscreen?.(); // iPhone: the video alone can
      await enter.call(stage);
      const wide = video.videoWidth >= video.videoHeight;
      await screen.orientation?.lock?.(wide ? 'landscape' : 'portrait').catch(() => {}); // phones turn; others refuse
    };
    show($('fullscreen'), Boolean(enter ?? video.webkitEnterFullscreen));
    $('fullscreen').addEventListener('click', () => this.toggleFullscreen());
    stage.addEventListener('dblclick', (event) => event.target.closest('.controls') ?? this.toggleFullscreen());
    for (const type of ['fullscreenchange', 'webkitfullscreenchange']) {
      document.addEventListener(type, () => {
        setIcon($('fullscreen'), current() ? 'shrink' : 'expand');
        $('fullscreen').setAttribute('aria-label', current() ? 'Leave full screen' : 'Full screen');
      });
    }
    this.togglePip = () => (document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture()).catch(() => {});
    show($('pip'), Boolean(document.pictureInPictureEnabled));
    $('pip').addEventListener('click', () => this.togglePip());
  }

  #wireControls() {
    const { stage } = this;
    const wake = () => {
      stage.dataset.controls = 'shown';
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => {
        if (!stage.querySelector('.controls :focus-visible')) stage.dataset.controls = 'hidden';
      }, IDLE);
    };
    for (const type of ['pointermove', 'pointerdown', 'focusin']) stage.addEventListener(type, wake);
    stage.addEventListener('pointerleave', () => {
      if (!stage.querySelector('.controls :focus-visible')) stage.dataset.controls = 'hidden';
    });
    wake();
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, dialog, select, textarea')) return;
      const volume = (change) => {
        this.video.volume = Math.min(1, Math.max(0, this.video.volume + change));
        this.setMuted(this.video.volume === 0);
      };
      const keys = {
        m: () => this.setMuted(!this.video.muted), f: () => this.toggleFullscreen(),
        p: () => !$('pip').hidden && this.togglePip(), i: () => $('stats-toggle').click(),
        ArrowUp: () => volume(0.1), ArrowDown: () => volume(-0.1),
      };
      const act = keys[event.key];
      if (!act) return;
      event.preventDefault();
      wake();
      act();
    });
  }

  /** The stage takes the shape of the picture, also when the publisher's phone turns. */
  #shape() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height) return;
    this.stage.style.setProperty('--ratio', (width / height).toFixed(4));
    this.stage.classList.toggle('tall', height > width);
  }

  #restore() {
    try {
      const saved = JSON.parse(localStorage.getItem(STORE)) ?? {};
      if (saved.volume >= 0 && saved.volume <= 1) this.video.volume = saved.volume;
      this.#wantsMute = saved.muted === true;
      this.video.muted = this.#wantsMute;
    } catch {
      // nothing remembered
    }
  }

  #save() {
    try {
      localStorage.setItem(STORE, JSON.stringify({ volume: this.video.volume, muted: this.video.muted }));
    } catch {
      // storage is blocked
    }
  }
}
