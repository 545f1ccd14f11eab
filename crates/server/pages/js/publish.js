// The publish page.
//
// For automation: /publish/demo?source=testcard&autostart=1 (see params.js), and `window.headwater`:
//   page 'publish' · stream · state 'idle' | 'starting' | 'connecting' | 'live' | 'reconnecting' | 'stopped' | 'error'
//   error (kind, status, detail) or null · pc · session (resource URL) · marks (performance.now() of start, offer, answer,
//   connected) · sessions, restarts (counts) · source · start() · stop() · restartIce() · reconnect() · await stats()
// `document.body.dataset.state` follows `state`.

import { inventStreamName, isStreamName, readParams, toStreamName } from './params.js';
import { bearer, remember, takeFromAddress, token } from './token.js';
import { captureObstacle, captureWords, signalWords } from './words.js';
import { openSource, reshape } from './sources.js';
import { Settings } from './settings.js';
import { StatsReader } from './stats.js';
import { WhipClient } from './whip.js';
import { dress } from './icons.js';
import { $, askToken, notice, say, show } from './ui.js';
import { Gauge } from './gauge.js';
import { Share } from './share.js';
import { renderToggles, wireToggles } from './toggles.js';

takeFromAddress(['publish']);
dress();

const params = readParams('publish');
const settings = new Settings($('settings'), params);
const share = new Share();
let source = null;
let client = null;
let phase = 'idle'; // before there is a client: idle, starting or error
let lastError = null;
let opening = 0; // a source that was asked for later wins
let reader = null;

const state = () => client?.state ?? phase;
const isUp = () => ['connecting', 'live', 'reconnecting'].includes(state());
const STATUS = {
  idle: 'Not live', starting: 'Starting', connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting',
  stopped: 'Not live', error: 'Not live',
};
const gauge = new Gauge({ stats: readStats, source: () => source, stream: streamName });

globalThis.headwater = {
  page: 'publish',
  get stream() { return streamName(); },
  get state() { return state(); },
  get error() { return lastError; },
  get pc() { return client?.pc ?? null; },
  get session() { return client?.resource?.url ?? null; },
  get marks() { return client?.marks ?? {}; },
  get sessions() { return client?.sessions ?? 0; },
  get restarts() { return client?.restarts ?? 0; },
  get source() { return source; },
  start, stop, stats: readStats,
  restartIce: () => client?.restartIce(),
  reconnect: () => client?.reconnect(),
};

function streamName() {
  return $('stream').value;
}

async function readStats() {
  if (!client?.pc) return null;
  if (reader?.pc !== client.pc) reader = new StatsReader(client.pc);
  return reader.read();
}

/** Opens the chosen source and puts it on the stage, and on the air if live. True if it worked. */
async function preview() {
  const turn = ++opening;
  const kind = settings.source;
  const obstacle = kind === 'testcard' ? null : captureObstacle();
  if (obstacle) {
    complain(obstacle);
    return false;
  }
  let opened;
  try {
    opened = await openSource({ ...settings.read(), name: streamName() || 'headwater' });
  } catch (error) {
    if (turn === opening) complain(captureWords(error, error.what ?? kind), phase === 'starting' ? start : preview);
    return false;
  }
  if (turn !== opening) {
    opened.stop();
    return false;
  }
  const before = source;
  source = opened;
  if (client && isUp()) {
    await Promise.all([client.replace('video', opened.video), client.replace('audio', opened.audio)]);
  }
  before?.stop();
  for (const track of [opened.video, opened.audio].filter(Boolean)) {
    track.addEventListener('ended', () => source === opened && sourceEnded(opened, track));
  }
  $('preview').srcObject = opened.video ? new MediaStream([opened.video]) : null;
  $('preview').classList.toggle('mirrored', opened.video?.getSettings?.().facingMode === 'user');
  if (opened.missing) {
    notice($('notice'), { title: `Without ${opened.missing}`, text: `There is no ${opened.missing} to use, so this stream goes without.` }, [], 'note');
  } else notice($('notice'), null);
  gauge.listen(opened.audio);
  await settings.refreshDevices();
  render();
  return true;
}

function sourceEnded(ended, track) {
  if (track.kind === 'audio' && ended.video) return;
  ended.stop();
  source = null;
  $('preview').srcObject = null;
  complain(ended.kind === 'screen'
    ? { title: 'Screen sharing has ended', text: isUp() ? 'You are still live, without a picture. Share again, choose another source, or stop.' : 'Share again, or choose another source.', action: 'retry' }
    : { title: 'The camera stopped', text: 'It was unplugged or taken by another app. Try again or choose another source.', action: 'retry' }, preview);
  render();
}

/** Shows what is wrong, with the button that helps; `again` is what "Try again" does. */
function complain(words, again = start) {
  const buttons = {
    retry: { label: settings.source === 'screen' && !source ? 'Share a screen' : 'Try again', primary: true, run: again },
    token: { label: 'Enter token', primary: true, run: enterToken },
    testcard: { label: 'Use the test card', primary: true, run: () => choose('testcard') },
  };
  notice($('notice'), words, [buttons[words.action]]);
  render();
}

async function start() {
  if (isUp() || phase === 'starting') return;
  if (!isStreamName(streamName())) return complainName();
  notice($('notice'), null);
  client = null;
  lastError = null;
  phase = 'starting';
  render();
  const ready = source ? true : await preview();
  source?.card?.resume();
  phase = 'idle';
  if (!ready) {
    phase = 'error';
    return render();
  }
  const { codec, bitrate, fps } = settings.read();
  const name = streamName();
  history.replaceState(null, '', `/publish/${name}${location.search}`);
  client = new WhipClient(`/whip/${name}`, {
    headers: () => bearer('publish'),
    relay: params.relay,
    tracks: {
      video: params.video === false ? undefined : source.video,
      audio: params.audio === false ? undefined : source.audio,
    },
    // A test card that shrinks tests nothing: it rather drops frames. Elsewhere the browser decides.
    encoding: { codec, bitrate, fps, degradation: source.card ? 'maintain-resolution' : undefined },
  });
  client.addEventListener('state', onState);
  await client.connect();
}

function stop() {
  client?.close();
}

function onState({ target, detail }) {
  if (target !== client) return;
  if (detail.state === 'live') {
    notice($('notice'), null);
    gauge.start();
  }
  if (['stopped', 'error'].includes(detail.state)) gauge.stop();
  lastError = target.error;
  if (detail.state === 'error') {
    const hadToken = Boolean(token('publish'));
    complain(signalWords(target.error, { act: 'publish', stream: streamName(), answer: target.lastAnswer, hadToken }));
    if (target.error.kind === 'unauthorized' && !params.autostart) enterToken();
  } else if (detail.state === 'reconnecting' && target.error) {
    const { title, text } = signalWords(target.error, { act: 'publish', stream: streamName(), answer: target.lastAnswer });
    notice($('notice'), { title, text: `${text} Trying again by itself.` }, [], 'note');
  }
  render();
}

async function enterToken() {
  const wrong = lastError?.kind === 'unauthorized' && token('publish');
  const entered = await askToken($('token-dialog'), wrong ? 'The server didn’t accept that token. Check it and enter it again.' : null);
  if (!entered) return;
  remember('publish', entered);
  start();
}

function complainName() {
  complain({ title: 'This name doesn’t work', text: 'Use 1 to 64 letters, digits, dots, dashes or underscores, not starting with a dot.' });
  $('stream').focus();
}

async function choose(kind) {
  settings.source = kind;
  opening += 1;
  await settings.refreshDevices();
  if (kind === 'testcard' || isUp() || source) await previewOrDrop();
  render();
}

/** A live or previewed source follows the choice; if the new one doesn't open, the old one stays on. */
async function previewOrDrop() {
  const kept = source;
  if (!(await preview()) && kept && source === kept) {
    settings.source = kept.kind;
    await settings.refreshDevices();
  }
}

function render() {
  const now = state();
  const up = isUp();
  document.body.dataset.state = now;
  document.body.dataset.source = source ? 'on' : 'off';
  document.title = `${now === 'live' ? '● ' : ''}${streamName() || 'Go live'} · Headwater`;
  say($('status'), STATUS[now] ?? now);
  say($('badge'), up ? STATUS[now] : 'Preview');
  show($('go-live'), !up);
  $('go-live').disabled = now === 'starting';
  say($('go-live').lastChild, now === 'starting' ? 'Starting' : 'Go live');
  show($('stop'), up);
  show($('stage-note'), !source?.video);
  show($('preview-start'), !source);
  const sound = source?.audio && !source.video;
  say($('stage-text'), sound ? 'Sound only.' : { camera: 'The camera is off.', screen: 'No screen is shared.' }[settings.source] ?? 'Nothing to show yet.');
  say($('preview-start'), settings.source === 'screen' ? 'Share a screen' : settings.source === 'camera' ? 'Turn on the camera' : 'Show the test card');
  settings.lock(up);
  share.render({ up: now === 'live' || now === 'reconnecting', stream: streamName() });
  renderToggles(source);
}

async function applyQuality() {
  const { width, height, fps, bitrate } = settings.read();
  try {
    if (source) await reshape(source, { width, height, fps });
    if (isUp()) await client.limit({ bitrate, fps, degradation: client.encoding.degradation });
  } catch (error) {
    complain(captureWords(error, 'camera'));
  }
}

$('go-live').addEventListener('click', start);
$('stop').addEventListener('click', stop);
$('preview-start').addEventListener('click', preview);
wireToggles(() => source, render);
$('settings').addEventListener('submit', (event) => event.preventDefault());
for (const kind of ['camera', 'screen', 'testcard']) {
  $(`source-${kind}`).addEventListener('change', () => choose(kind));
}
for (const id of ['camera', 'sound']) $(id).addEventListener('change', () => source && preview());
for (const id of ['resolution', 'fps', 'bitrate']) $(id).addEventListener('change', applyQuality);
$('stream').addEventListener('input', () => {
  if (source?.card) source.card.name = streamName();
  render();
});
$('stream').addEventListener('change', () => {
  $('stream').value = toStreamName(streamName()) || inventStreamName();
  render();
});
navigator.mediaDevices?.addEventListener?.('devicechange', () => settings.refreshDevices());
// Sound of the test card waits for a first tap or key.
for (const type of ['pointerdown', 'keydown']) addEventListener(type, () => source?.card?.resume());

async function begin() {
  if (!isStreamName(streamName())) $('stream').value = toStreamName(streamName()) || inventStreamName();
  const obstacle = captureObstacle();
  settings.source ||= obstacle ? 'testcard' : settings.saved.source ?? 'camera';
  await settings.refreshDevices();
  render();
  if (params.autostart) return start();
  if (obstacle && settings.source !== 'screen' && !params.source) notice($('notice'), obstacle, [], 'note');
  const allowed = await navigator.permissions?.query?.({ name: 'camera' }).then(({ state: s }) => s === 'granted', () => false);
  if (settings.source === 'testcard' || (settings.source === 'camera' && allowed)) {
    const shown = $('notice').hidden;
    await preview();
    if (!shown && obstacle) notice($('notice'), obstacle, [], 'note');
  }
}

begin();
