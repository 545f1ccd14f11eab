// The watch page.
//
// For automation: /watch/demo, and `window.headwater`:
//   page 'watch' · stream · state 'connecting' | 'buffering' | 'live' | 'offline' | 'reconnecting' | 'error' | 'stopped'
//   error (kind, status, detail) or null · pc · session (resource URL) · video · marks (performance.now() of start, offer,
//   answer, connected, firstFrame, and of the last resume) · sessions, restarts (counts) · start() · stop() · restartIce()
//   · reconnect() · await stats() · latency() ({ ms, method, label } or null) · card() (age in ms of a test card, or null)
// `document.body.dataset.state` follows `state`; `dataset.picture` is 'none' while there is sound only.
//
// The state of the connection (whep.js) is one thing, whether media flows through it is another: a publisher who leaves
// keeps viewers connected, and the picture just goes on when the publisher is back.

import { readParams } from './params.js';
import { bearer, remember, takeFromAddress, token } from './token.js';
import { WhepClient } from './whep.js';
import { signalWords } from './words.js';
import { Player } from './player.js';
import { StatsReader } from './stats.js';
import { LatencyMeter } from './latency.js';
import { Rescue } from './rescue.js';
import { age } from './cardcode.js';
import { dress, setIcon } from './icons.js';
import { $, askToken, bitrate, codecName, copy, facts, milliseconds, say, show, write } from './ui.js';

const SILENCE = 2200; // ms without a packet: the publisher is away
const STALL = 700; // ms without a frame while packets come
const UNPLAYABLE = 6000; // ms of packets without a single picture

takeFromAddress(['watch']);
dress();

const params = readParams('watch');
const { stream } = params;
const player = new Player();
const { video } = player;
const meter = new LatencyMeter(video);
const kinds = ['audio', 'video'].filter((kind) => params[kind] !== false);
const client = new WhepClient(`/whep/${encodeURIComponent(stream)}`, { headers: () => bearer('watch'), onTrack, codec: params.codec, kinds, relay: params.relay });

const rescue = new Rescue(client, stream);
let state = 'connecting';
let reader = null;
let flow = freshFlow();
let latest = null;
let shownStats = false;

function freshFlow() {
  return { since: performance.now(), packets: 0, packetAt: 0, videoPackets: 0, videoAt: 0, frameAt: 0, frames: 0 };
}

globalThis.headwater = {
  page: 'watch', stream, video,
  get state() { return state; },
  get error() { return client.error; },
  get pc() { return client.pc; },
  get session() { return client.resource?.url ?? null; },
  get marks() { return client.marks; },
  get sessions() { return client.sessions; },
  get restarts() { return client.restarts; },
  start: () => client.connect(), stop: () => client.close(),
  restartIce: () => client.restartIce(), reconnect: () => client.reconnect(),
  stats: readStats, latency: () => meter.read(latest), card: () => age(video),
};

async function readStats() {
  if (!client.pc) return null;
  if (reader?.pc !== client.pc) reader = new StatsReader(client.pc);
  return reader.read();
}

function onTrack(track, arriving) {
  if (track.kind === 'audio') player.hasSound = true;
  player.play(arriving);
}

function onFrame() {
  const now = performance.now();
  client.marks.firstFrame ??= now;
  if (state !== 'live') client.marks.resumed = now;
  flow.frameAt = now;
  flow.frames += 1;
  if (state !== 'live') decide();
}

/** Calls back for each picture that reaches the screen. */
function followFrames() {
  if (video.requestVideoFrameCallback) {
    const next = () => video.requestVideoFrameCallback(() => {
      onFrame();
      next();
    });
    next();
  } else video.addEventListener('timeupdate', onFrame);
}

/** Once a second: what came in, and is it still coming? */
async function look() {
  const stats = client.state === 'live' ? await readStats().catch(() => null) : null;
  const now = performance.now();
  if (stats) {
    latest = stats;
    const videoPackets = stats.video?.packets ?? 0;
    const packets = videoPackets + (stats.audio?.packets ?? 0);
    if (packets > flow.packets) flow.packetAt = now;
    if (videoPackets > flow.videoPackets) flow.videoAt = now;
    Object.assign(flow, { packets, videoPackets });
  }
  decide();
  if (state === 'live') rescue.rest();
  else if (state === 'offline' && client.state === 'live') rescue.consider(now);
  renderReadings();
}

/** The page's state, from the connection's and the flow of media. */
function decide() {
  const now = performance.now();
  let next = client.state === 'idle' ? 'connecting' : client.state;
  let picture = 'shown';
  if (next === 'live') {
    const seen = flow.frameAt && now - flow.frameAt < STALL;
    const quiet = now - Math.max(flow.packetAt, flow.frameAt, flow.since) > SILENCE;
    const soundOnly = flow.packetAt > 0 && now - Math.max(flow.videoAt, flow.since) > SILENCE && !seen;
    if (!seen) {
      if (quiet) next = 'offline';
      else if (soundOnly) picture = 'none';
      else next = now - (flow.frameAt || flow.since) > STALL || !flow.frameAt ? 'buffering' : 'live';
    }
  }
  document.body.dataset.picture = picture;
  if (next === state && next !== 'buffering') return;
  if (next !== state) meter.reset();
  state = next;
  render();
}

function render() {
  document.body.dataset.state = state;
  document.title = `${state === 'live' ? '● ' : ''}${stream || 'Watch'} · Headwater`;
  const [status, title, text] = words();
  say($('status'), status);
  say($('cover-title'), title);
  write($('cover-text'), text);
  show($('spinner'), ['connecting', 'buffering', 'reconnecting'].includes(state));
  show($('retry'), state === 'error' || state === 'stopped');
  show($('enter-token'), state === 'error' && ['unauthorized', 'forbidden'].includes(client.error?.kind));
  player.render();
}

/** [status line, cover title, cover text] */
function words() {
  const { error } = client;
  const said = error && signalWords(error, { act: 'watch', stream, answer: client.lastAnswer, hadToken: Boolean(token('watch')) });
  switch (state) {
    case 'live': return ['Live', '', ''];
    case 'connecting': return ['Connecting', 'Connecting', ''];
    case 'buffering': {
      const unplayable = !flow.frames && flow.videoPackets > 30 && performance.now() - flow.since > UNPLAYABLE;
      return unplayable
        ? ['Can’t show the picture', 'Waiting for a picture', `Video arrives${latest?.video?.codec ? ` (${codecName(latest.video.codec)})` : ''}, but this browser shows nothing of it yet. If it stays so, try another browser.`]
        : ['Buffering', flow.frames ? 'Catching up' : 'Starting', ''];
    }
    case 'offline':
      if (error?.kind === 'codec') return ['Can’t play here', said.title, `${said.text} It starts by itself if that changes.`];
      return flow.frames
        ? ['Paused', 'The stream has paused', 'It goes on here by itself when the publisher is back.']
        : ['Offline', `“${stream}” isn’t live yet`, 'It starts here by itself. You can leave this page open.'];
    case 'reconnecting': return ['Reconnecting', 'Reconnecting', error ? `${said.text} Trying again by itself.` : ''];
    case 'stopped': return ['Stopped', 'Stopped', ''];
    default: return ['Stopped', said?.title ?? 'Something went wrong', said?.text ?? ''];
  }
}

function renderReadings() {
  const latency = state === 'live' ? meter.read(latest) : null;
  show($('latency'), Boolean(latency) && shownStats);
  if (latency) {
    say($('latency'), `${latency.method === 'transit' ? '≥' : '≈'} ${latency.ms} ms`);
    $('latency').title = latency.label;
  }
  if (!shownStats) return;
  const { video: v, audio: a, connection: c } = latest ?? {};
  facts($('stats'), [
    ['Delay', latency ? `${latency.method === 'transit' ? 'at least' : 'about'} ${latency.ms} ms` : '–', latency?.label],
    ['Picture', v?.width ? `${v.width} × ${v.height}` : '–'],
    ['Frames', v?.fps != null ? `${v.fps} per second` : '–'],
    ['Video', v && [codecName(v.codec), bitrate(v.kbps)].filter(Boolean).join(', '), v?.decoder],
    ['Sound', a && [codecName(a.codec), bitrate(a.kbps)].filter(Boolean).join(', ')],
    ['Loss', v?.lossPercent != null ? `${v.lossPercent} %` : null, v && `${v.packetsLost} packets in all, ${v.repaired ?? 0} repaired`],
    ['Receive buffer', milliseconds(v?.bufferMs)],
    ['Round trip', milliseconds(c?.rttMs)],
    ['Stutters', v && `${v.freezes}`, v?.freezeSeconds ? `${v.freezeSeconds} s in all` : null],
    ['Path', c?.path && [c.path, c.remote].filter(Boolean).join(' to ')],
    ['Encryption', c?.dtls && `DTLS ${c.dtls}`, [c?.dtlsCipher, c?.srtpCipher].filter(Boolean).join(', ')],
  ]);
  say($('latency-note'), latency?.label ?? '');
}

client.addEventListener('state', ({ detail }) => {
  if (detail.state === 'live') {
    const { frames } = flow;
    flow = { ...freshFlow(), frames };
  }
  decide();
  render();
  if (detail.state === 'error' && ['unauthorized', 'forbidden'].includes(client.error.kind)) $('enter-token').focus();
});

$('retry').addEventListener('click', () => client.connect());
$('enter-token').addEventListener('click', async () => {
  const entered = await askToken($('token-dialog'));
  if (!entered) return;
  remember('watch', entered);
  client.connect();
});
function showStats(shown) {
  shownStats = shown;
  $('stats-toggle').setAttribute('aria-expanded', shownStats);
  show($('stats-panel'), shownStats);
  renderReadings();
}
$('stats-toggle').addEventListener('click', () => showStats(!shownStats));
$('copy').addEventListener('click', async () => {
  const done = await copy(`${location.origin}/watch/${stream}`, $('copy'));
  say($('copy').lastChild, done ? 'Copied' : 'Copy the address above');
  setIcon($('copy'), done ? 'check' : 'copy');
  setTimeout(() => {
    say($('copy').lastChild, 'Copy link');
    setIcon($('copy'), 'copy');
  }, 2500);
});
addEventListener('pageshow', ({ persisted }) => persisted && client.connect()); // back from the browser's page cache
if (navigator.mediaSession) navigator.mediaSession.metadata = new MediaMetadata({ title: stream, artist: 'Headwater' });

say($('title'), stream);
followFrames();
showStats(params.stats);
setInterval(look, 1000);
render();
if (stream) client.connect();
else location.replace('/');
