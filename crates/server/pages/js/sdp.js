// The few lines of SDP that the pages touch: trickle fragments (RFC 8840) and the credentials of an ICE restart.

const lines = (sdp) => sdp.split(/\r?\n/).filter(Boolean);
const first = (sdp, prefix) => lines(sdp).find((line) => line.startsWith(prefix));

/** A trickle fragment as in RFC 9725 §4.3.2: everything is bundled, so one m-section carries it all. */
export function fragment(sdp, candidates, ended) {
  const all = lines(sdp);
  const media = all.findIndex((line) => line.startsWith('m='));
  const section = all.slice(media);
  const of = (prefix) => section.find((line) => line.startsWith(prefix)) ?? first(sdp, prefix);
  const out = [first(sdp, 'a=group:BUNDLE'), section[0], of('a=mid:'), of('a=ice-ufrag:'), of('a=ice-pwd:')];
  for (const candidate of candidates) out.push(`a=${candidate.replace(/^a=/, '')}`);
  if (ended) out.push('a=end-of-candidates');
  return out.filter(Boolean).join('\r\n') + '\r\n';
}

/** The last answer with the server's restarted credentials and candidates put in. */
export function restartedAnswer(answer, restart) {
  const ufrag = first(restart, 'a=ice-ufrag:');
  const password = first(restart, 'a=ice-pwd:');
  const candidates = lines(restart).filter((line) => line.startsWith('a=candidate:'));
  const out = [];
  let placed = false;
  for (const line of lines(answer)) {
    if (candidates.length && /^a=(candidate:|end-of-candidates)/.test(line)) continue;
    if (line.startsWith('a=ice-ufrag:')) out.push(ufrag);
    else if (line.startsWith('a=ice-pwd:')) out.push(password ?? line);
    else out.push(line);
    if (line.startsWith('a=mid:') && !placed) {
      out.push(...candidates); // everything is bundled: the first section speaks for all
      placed = true;
    }
  }
  return out.join('\r\n') + '\r\n';
}

/** `host:port` of each candidate in an SDP, without duplicates. */
export function candidateAddresses(sdp) {
  const found = lines(sdp).filter((line) => line.startsWith('a=candidate:')).map((line) => line.split(' '));
  return [...new Set(found.map((part) => (part[4]?.includes(':') ? `[${part[4]}]:${part[5]}` : `${part[4]}:${part[5]}`)))];
}

/** Asks Chromium to start sending near the wanted rate, not at its 300 kbit/s; other browsers ignore it. */
export function withStartBitrate(answer, bitsPerSecond) {
  const kbps = Math.round(bitsPerSecond / 1000);
  let video = false;
  let payloadType = null;
  const out = [];
  const all = lines(answer);
  const has = (type) => all.some((line) => line.startsWith(`a=fmtp:${type} `));
  for (const line of all) {
    if (line.startsWith('m=')) {
      video = line.startsWith('m=video');
      payloadType = video ? line.split(' ')[3] : null;
    }
    if (video && line.startsWith(`a=fmtp:${payloadType} `)) out.push(`${line};x-google-start-bitrate=${kbps}`);
    else out.push(line);
    if (video && line.startsWith(`a=rtpmap:${payloadType} `) && !has(payloadType)) {
      out.push(`a=fmtp:${payloadType} x-google-start-bitrate=${kbps}`);
    }
  }
  return out.join('\r\n') + '\r\n';
}
