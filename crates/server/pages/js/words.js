// What went wrong, and what to do about it, in plain words.
//
// Each entry is { title, text, action? }; `action` names a button that the page offers: 'token', 'retry', 'testcard'.

import { candidateAddresses } from './sdp.js';

const isPrivate = (host) =>
  /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|\[::1\]|\[f[cde])/i.test(host);

/** Why no camera or screen can be asked for on this page at all; null if it can. */
export function captureObstacle() {
  if (navigator.mediaDevices?.getUserMedia) return null;
  if (globalThis.isSecureContext) {
    return { title: 'This browser has no camera access', text: 'Use a current browser, or publish the test card.', action: 'testcard' };
  }
  return {
    title: 'No camera: this page isn’t secure',
    text: 'Browsers give camera, microphone and screen only to https:// pages and to localhost. Open this page as ' +
      `\`http://localhost${location.port ? `:${location.port}` : ''}\` on the machine that runs Headwater, or start ` +
      'Headwater with `--tls self-signed` and open its https:// address. The test card works as it is.',
    action: 'testcard',
  };
}

const CAPTURE = {
  NotAllowedError: (what) => ({
    title: `No permission for the ${what}`,
    text: what === 'screen'
      ? 'The choice was cancelled, or this system doesn’t let the browser record the screen. Press “Share a screen” to choose again.'
      : `The browser was told not to use the ${what}. Allow it in the icon beside the address (on a phone: in the system’s settings), then try again.`,
    action: 'retry',
  }),
  NotFoundError: (what) => ({
    title: `No ${what} found`,
    text: 'Plug one in, choose another source, or use the test card.',
    action: 'testcard',
  }),
  NotReadableError: (what) => ({
    title: `The ${what} is busy`,
    text: 'Another app or tab is using it. Close that one, then try again.',
    action: 'retry',
  }),
  OverconstrainedError: (what) => ({
    title: `That ${what} can’t do this`,
    text: 'Choose another device, a smaller picture or a lower frame rate.',
    action: 'retry',
  }),
};

/** An error of getUserMedia or getDisplayMedia. `what` is 'camera', 'microphone', 'camera and microphone' or 'screen'. */
export function captureWords(error, what) {
  const known = CAPTURE[error.name] ?? (error.name === 'AbortError' ? CAPTURE.NotReadableError : null);
  return known?.(what) ?? { title: `The ${what} didn’t start`, text: error.message, action: 'retry' };
}

/** An error of a WhipClient or WhepClient. `act` is 'publish' or 'watch'. */
export function signalWords(error, { act, stream, answer = '', hadToken = false }) {
  const publish = act === 'publish';
  const server = error.detail ? `The server says: ${error.detail.replace(/\.?$/, '.')}` : '';
  switch (error.kind) {
    case 'unreachable': return {
      title: 'Can’t reach the server',
      text: `Nothing answers at ${location.host}. Is Headwater running, and is this device online?`, action: 'retry',
    };
    case 'unauthorized': case 'forbidden': return error.code === 'wrong-token' || (hadToken && error.code !== 'missing-token')
      ? { title: 'That token isn’t right', text: `The server didn’t accept it for ${publish ? 'publishing' : 'watching'}. Check it and enter it again.`, action: 'token' }
      : { title: 'A token is needed', text: `This server asks for a token to ${act}. It is in the link that Headwater printed when it started.`, action: 'token' };
    case 'not-found': return {
      title: 'That doesn’t work as a stream name', text: server || 'Use 1 to 64 letters, digits, dots, dashes or underscores.',
    };
    case 'conflict': return publish
      ? { title: `“${stream}” is already live`, text: 'Somebody is publishing under this name. Choose another one, or wait until that stream has ended.', action: 'retry' }
      : { title: `“${stream}” isn’t live yet`, text: 'It starts here by itself as soon as it is.' };
    case 'codec': return publish
      ? { title: 'No common codec', text: server || 'The server takes none of the codecs that this browser offers. Choose another codec.', action: 'retry' }
      : { title: 'This browser can’t play this stream', text: server || 'It is sent in a codec that this browser doesn’t have. Try another browser.', action: 'retry' };
    case 'codec-here': return {
      title: `This browser can’t ${publish ? 'send' : 'play'} ${error.codec}`,
      text: publish ? 'Choose another codec, or leave the choice to the browser.' : 'Try another browser.', action: publish ? null : 'retry',
    };
    case 'full': return { title: 'The server is full', text: server || 'It takes no more for now.', action: 'retry' };
    case 'no-media': return noMedia(answer);
    case 'browser': return { title: 'The browser couldn’t set this up', text: error.detail, action: 'retry' };
    default: return { title: 'The server refused', text: server || `Status ${error.status}.`, action: 'retry' };
  }
}

/** HTTP works, media doesn't: nearly always the address that the server tells, or a firewall. */
function noMedia(answer) {
  const addresses = candidateAddresses(answer);
  const hosts = addresses.map((address) => address.replace(/:\d+$/, ''));
  const here = location.hostname;
  const away = !isPrivate(here) && here !== 'localhost';
  const list = addresses.slice(0, 3).join(', ');
  if (hosts.length && hosts.every(isPrivate) && (away || hosts.every((host) => /^(127\.|\[::1\])/.test(host)))) {
    return {
      title: 'Picture and sound can’t get through',
      text: `The server told this browser to use ${list}, which can’t be reached from here. Start Headwater with \`--advertise\` and its public address.`,
      action: 'retry',
    };
  }
  return {
    title: 'Picture and sound can’t get through',
    text: `The page works, but UDP ${list ? `to ${list}` : 'to the server'} doesn’t. A firewall may be closed: Headwater needs that UDP port open. If the address is wrong, start it with \`--advertise\`.`,
    action: 'retry',
  };
}
