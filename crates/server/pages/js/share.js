// The card with the watch link.

import { setIcon } from './icons.js';
import { token } from './token.js';
import { $, copy, say, show } from './ui.js';

export class Share {
  constructor() {
    $('copy').addEventListener('click', () => this.#copy());
    $('watch-link').addEventListener('focus', () => $('watch-link').select());
    show($('share-native'), Boolean(navigator.share));
    $('share-native').addEventListener('click', () => {
      navigator.share({ title: `${this.stream} live`, url: this.link }).catch(() => {});
    });
  }

  /** Others need the watch token to get in; it is in the link only if this page was given it. */
  get link() {
    const url = new URL(`/watch/${this.stream}`, location.origin);
    if (token('watch')) url.searchParams.set('token', token('watch'));
    return url.href;
  }

  render({ up, stream }) {
    this.stream = stream;
    show($('share'), up);
    if (!up) return;
    if ($('watch-link').value !== this.link) $('watch-link').value = this.link;
    $('open-watch').href = this.link;
    const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
    show($('share-hint'), local);
    say($('share-hint'), 'This address works on this machine only. For others, open this page under the machine’s own address.');
  }

  async #copy() {
    const done = await copy(this.link, $('watch-link'));
    say($('copy').lastChild, done ? 'Copied' : 'Press Ctrl+C');
    setIcon($('copy'), done ? 'check' : 'copy');
    setTimeout(() => {
      say($('copy').lastChild, 'Copy');
      setIcon($('copy'), 'copy');
    }, 2500);
  }
}
