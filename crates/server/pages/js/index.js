// The front page: start a stream, or watch one that is on air.

import { inventStreamName, toStreamName } from './params.js';
import { bearer, takeFromAddress } from './token.js';
import { $, codecName, counted, duration, el, liveStreams, say, show, viewersOf } from './ui.js';

const PAUSE = 3000; // ms between looks

takeFromAddress(['watch']);

const suggestion = inventStreamName();
$('stream').placeholder = suggestion;
$('whip-url').textContent = `${location.origin}/whip/your-stream`;
$('whep-url').textContent = `${location.origin}/whep/your-stream`;

$('start').addEventListener('submit', (event) => {
  event.preventDefault();
  const action = event.submitter?.value ?? 'publish';
  const typed = $('stream').value.trim();
  const name = toStreamName(typed) || (action === 'publish' ? suggestion : '');
  if (name) location.href = `/${action}/${name}`;
  else {
    say($('start-hint'), 'Which stream? Enter its name.');
    $('stream').focus();
  }
});

function card(stream) {
  const name = String(stream.name ?? '');
  const viewers = viewersOf(stream);
  const seconds = stream.uptime_seconds ?? null;
  const codecs = (Array.isArray(stream.codecs) ? stream.codecs : []).map((name) => codecName(String(name)));
  const about = [
    viewers !== null && (viewers ? counted(viewers, 'viewer') : 'no viewers yet'),
    Number.isFinite(seconds) && `${duration(seconds * 1000)} on air`,
    codecs.join(' + '),
  ].filter(Boolean).join(' · ');
  return el('li', {},
    el('a', { class: 'stream', href: `/watch/${encodeURIComponent(name)}` },
      el('span', { class: 'dot' }), el('span', { class: 'name' }, name), el('span', { class: 'about' }, about)));
}

let shown = '';

async function look() {
  let list = null;
  let trouble = null;
  try {
    list = await liveStreams({ ...bearer('watch'), ...bearer('admin') });
    if (!list) trouble = ['The list is private on this server.', 'Enter a name above to watch that stream.'];
  } catch {
    trouble = ['Can’t reach the server.', 'Trying again.'];
  }
  const live = (list ?? []).filter((item) => item.live !== false);
  const [strong, rest] = trouble ?? ['Nothing is on air.', 'Start a stream above: without a camera, a test card does.'];
  const now = JSON.stringify([live, strong]);
  if (now !== shown) {
    shown = now;
    $('streams').replaceChildren(...live.map(card));
    $('streams').setAttribute('aria-busy', 'false');
    say($('count'), live.length ? String(live.length) : '');
    show($('empty'), !live.length);
    $('empty-text').replaceChildren(el('strong', {}, strong), ` ${rest}`);
  }
  setTimeout(look, document.visibilityState === 'visible' ? PAUSE : PAUSE * 5);
}

look();
