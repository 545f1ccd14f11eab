// Where picture and sound come from: camera, screen or test card.

import { TestCard } from './testcard.js';

/**
 * Opens a source. `wanted` is { kind, width, height, fps, camera, sound, name, video, audio }: `camera` and `sound` are
 * device ids ('' lets the browser choose), `sound` may also be 'none' or (for a screen) 'screen'.
 *
 * Returns { kind, video, audio, missing, stop(), card? } with null for a track that isn't there; `missing` names a device
 * that was wanted and isn't there. Throws what the browser throws, with `what` naming the thing that was asked for.
 */
export async function openSource(wanted) {
  const open = { camera: openCamera, screen: openScreen, testcard: openCard }[wanted.kind];
  const source = await open(wanted);
  const hint = { camera: 'motion', screen: 'detail' }[wanted.kind];
  if (source.video && hint && 'contentHint' in source.video) source.video.contentHint = hint;
  return source;
}

const picture = ({ width, height, fps }) => ({
  width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps },
});

const microphone = (id) => ({
  ...(id && { deviceId: { exact: id } }), echoCancellation: true, noiseSuppression: true, autoGainControl: true,
});

function source(kind, streams, rest = {}) {
  const tracks = streams.flatMap((stream) => stream.getTracks());
  return {
    kind, missing: null,
    video: tracks.find((track) => track.kind === 'video') ?? null,
    audio: tracks.find((track) => track.kind === 'audio') ?? null,
    stop: () => tracks.forEach((track) => track.stop()),
    ...rest,
  };
}

async function ask(what, method, constraints) {
  try {
    return await navigator.mediaDevices[method](constraints);
  } catch (error) {
    throw Object.assign(error, { what });
  }
}

async function openCamera(wanted) {
  const video = wanted.video !== false && { ...picture(wanted), ...(wanted.camera ? { deviceId: { exact: wanted.camera } } : { facingMode: 'user' }) };
  const audio = wanted.audio !== false && wanted.sound !== 'none' && microphone(wanted.sound);
  const what = [video && 'camera', audio && 'microphone'].filter(Boolean).join(' and ');
  if (!what) throw Object.assign(new Error('Neither picture nor sound was asked for.'), { what: 'camera' });
  try {
    return source('camera', [await ask(what, 'getUserMedia', { video, audio })]);
  } catch (error) {
    if (!video || !audio || !['NotFoundError', 'OverconstrainedError', 'NotReadableError'].includes(error.name)) throw error;
    // One of the two isn't there: go on with the other, and say so.
    try {
      return source('camera', [await ask('camera', 'getUserMedia', { video })], { missing: 'microphone' });
    } catch (other) {
      if (other.name === 'NotAllowedError') throw other;
      return source('camera', [await ask(what, 'getUserMedia', { audio })], { missing: 'camera' });
    }
  }
}

async function openScreen(wanted) {
  const audio = wanted.audio !== false && wanted.sound === 'screen';
  const screen = await ask('screen', 'getDisplayMedia', { video: picture(wanted), audio });
  if (wanted.audio === false || ['screen', 'none'].includes(wanted.sound)) {
    const missing = audio && !screen.getAudioTracks().length ? 'sound of the screen' : null;
    return source('screen', [screen], { missing });
  }
  try {
    return source('screen', [screen, await ask('microphone', 'getUserMedia', { audio: microphone(wanted.sound) })]);
  } catch {
    return source('screen', [screen], { missing: 'microphone' });
  }
}

async function openCard({ width, height, fps, name, sound, audio, video }) {
  const card = new TestCard({ width, height, fps, name, sound: audio !== false && sound !== 'none' });
  const opened = source('testcard', [card.stream], { card, stop: () => card.stop() });
  if (video === false) opened.video = null;
  return opened;
}

/** Changes size and frame rate of an open source. */
export async function reshape(opened, { width, height, fps }) {
  if (opened.card) opened.card.resize(width, height, fps);
  else await opened.video?.applyConstraints(picture({ width, height, fps }));
}

/** { cameras, microphones } as [id, label] pairs; labels are empty until the person allowed a device. */
export async function devices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const list = (kind, word) => all
    .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== 'default' && device.deviceId !== 'communications')
    .map((device, i) => [device.deviceId, device.label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/, '') || `${word} ${i + 1}`]);
  return { cameras: list('videoinput', 'Camera'), microphones: list('audioinput', 'Microphone') };
}
