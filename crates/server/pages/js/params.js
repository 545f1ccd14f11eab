// What the address of a page says: the stream, and options for automation.
//
//   /publish/{stream}, /watch/{stream}
//   ?source=camera|screen|testcard  ?codec=VP8|VP9|H264|AV1  ?width= &height= &fps= &bitrate= (bits/s, or 2500k, 4M)
//   ?audio=0|1  ?video=0|1  ?autostart=1 (publish)  ?stats=1 (watch)
//   ?relay=1: only through the TURN server, to see whether it works

/** Servers take 1 to 64 of these characters, and no leading dot. */
export const isStreamName = (name) => /^(?!\.)[A-Za-z0-9._-]{1,64}$/.test(name);

/** The nearest valid stream name to what a person typed. */
export const toStreamName = (text) =>
  text.trim().replace(/\s+/g, '-').replace(/[^A-Za-z0-9._-]/g, '').replace(/^\.+/, '').slice(0, 64);

const number = (text, min, max) => {
  const match = /^(\d+(?:\.\d+)?)([kKmM]?)$/.exec(text ?? '');
  if (!match) return null;
  const value = Number(match[1]) * { '': 1, k: 1e3, m: 1e6 }[match[2].toLowerCase()];
  return value >= min && value <= max ? Math.round(value) : null;
};

const flag = (text) => (text === null ? null : !['0', 'false', 'no', 'off'].includes(text.toLowerCase()));

export function readParams(page, address = location) {
  const query = new URLSearchParams(address.search);
  const rest = address.pathname.split('/').filter(Boolean);
  let stream = '';
  try {
    stream = rest[0] === page ? decodeURIComponent(rest[1] ?? '') : '';
  } catch {
    // a broken escape in the path: no stream
  }
  const source = query.get('source')?.toLowerCase();
  return {
    stream: stream || query.get('stream') || '',
    source: ['camera', 'screen', 'testcard'].includes(source) ? source : null,
    codec: query.get('codec')?.toUpperCase() || null,
    width: number(query.get('width'), 16, 7680),
    height: number(query.get('height'), 16, 4320),
    fps: number(query.get('fps'), 1, 120),
    bitrate: number(query.get('bitrate'), 10_000, 100e6),
    audio: flag(query.get('audio')),
    video: flag(query.get('video')),
    autostart: flag(query.get('autostart')) ?? false,
    stats: flag(query.get('stats')) ?? false,
    relay: flag(query.get('relay')) ?? false,
  };
}

const FIRST = 'amber brisk calm clear deep fern gentle golden hazel mossy quiet rapid silver still swift wild'.split(' ');
const SECOND = 'bend brook creek delta eddy falls fjord harbor lagoon otter pebble pool reed ridge spring trout'.split(' ');

/** A name that is easy to say aloud: `quiet-otter-42`. */
export function inventStreamName() {
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  return `${pick(FIRST)}-${pick(SECOND)}-${10 + Math.floor(Math.random() * 90)}`;
}
