// Which video codecs this browser sends and shows, and how to ask for one.

/** Names in the order people look for them; only those this browser can send (`send`) or show (`receive`). */
export function videoCodecs(direction) {
  const here = capabilities(direction).map((codec) => nameOf(codec));
  return ['VP8', 'H264', 'VP9', 'AV1'].filter((name) => here.includes(name));
}

const nameOf = (codec) => codec.mimeType.split('/')[1].toUpperCase();
const isRepair = (codec) => ['RTX', 'RED', 'ULPFEC', 'FLEXFEC-03'].includes(nameOf(codec));

function capabilities(direction) {
  const side = direction === 'send' ? globalThis.RTCRtpSender : globalThis.RTCRtpReceiver;
  return side?.getCapabilities?.('video')?.codecs ?? [];
}

/** Narrows the transceiver to one codec, with its repair formats. Throws a CaptureError if the browser lacks it. */
export function preferCodec(transceiver, name, direction) {
  const all = capabilities(direction);
  const wanted = all.filter((codec) => nameOf(codec) === name);
  if (!wanted.length) {
    const error = new Error(`This browser can't ${direction === 'send' ? 'send' : 'play'} ${name}.`);
    throw Object.assign(error, { name: 'CaptureError', kind: 'codec-here', codec: name });
  }
  transceiver.setCodecPreferences?.([...wanted, ...all.filter(isRepair)]);
}
