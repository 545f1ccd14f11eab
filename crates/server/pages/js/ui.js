// Small helpers for the pages.

export const $ = (id) => document.getElementById(id);

/** An element with attributes, listeners (`onclick: fn`) and children. Text is always text, never markup. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Sets text only when it changed, so that live regions don't repeat themselves. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets text in which `this` is code. */
export function write(node, text) {
  if (node.dataset.text === text) return node;
  node.dataset.text = text;
  node.replaceChildren(...text.split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part)));
  return node;
}

export const show = (node, visible) => {
  node.hidden = !visible;
};

/** Fills a notice: { title, text } and buttons [{ label, run, primary }]. Null hides it. */
export function notice(node, words, buttons = [], tone = 'bad') {
  if (!words) {
    node.hidden = true;
    node.replaceChildren();
    return;
  }
  node.dataset.tone = tone;
  const actions = buttons.filter(Boolean).map(({ label, run, primary }) =>
    el('button', { type: 'button', class: primary ? 'button primary small' : 'button small', onclick: run }, label));
  node.replaceChildren(
    el('strong', {}, words.title), write(el('p'), words.text),
    ...(actions.length ? [el('div', { class: 'row' }, ...actions)] : []));
  node.hidden = false;
}

/** Copies text; where the clipboard is closed (http pages), selects `field` for the person to copy. True if copied. */
export async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.focus();
    field.select();
    try {
      return document.execCommand('copy');
    } catch {
      return false;
    }
  }
}

/** Asks for a token in a dialog; resolves with it, or null. */
export function askToken(dialog, text) {
  const field = dialog.querySelector('input');
  const explain = dialog.querySelector('p');
  if (text) say(explain, text);
  field.value = '';
  dialog.returnValue = '';
  dialog.querySelector('[data-cancel]').onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      resolve(dialog.returnValue === 'ok' && field.value.trim() ? field.value.trim() : null);
    }, { once: true });
  });
}

export const bitrate = (kbps) =>
  kbps == null ? '–' : kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;

/** Names as people write them. */
export const codecName = (name) => ({ opus: 'Opus', H264: 'H.264', H265: 'H.265' })[name] ?? name;

export const milliseconds = (value) => (value == null ? '–' : `${value < 10 ? value : Math.round(value)} ms`);

export function duration(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const counted = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** Fills a <dl> with [term, value, hint] rows; rows without a value are left out. */
export function facts(list, rows) {
  const kept = rows.filter(([, value]) => value != null && value !== '');
  if (list.children.length !== kept.length) {
    list.replaceChildren(...kept.map(() => el('div', {}, el('dt'), el('dd'))));
  }
  kept.forEach(([term, value, hint], i) => {
    const [dt, dd] = list.children[i].children;
    say(dt, term);
    say(dd, String(value));
    if (hint) list.children[i].title = hint;
    else list.children[i].removeAttribute('title');
  });
}

/** The server's list of live streams, or null where it isn't for us. Throws when the server is away. */
export async function liveStreams(headers) {
  const response = await fetch('/api/v1/streams', { headers, cache: 'no-store' });
  if (!response.ok) return null;
  const body = await response.json();
  const list = Array.isArray(body) ? body : body.streams;
  return Array.isArray(list) ? list : null;
}

/** How many watch a stream; null if the API doesn't say. */
export function viewersOf(stream) {
  const value = stream?.viewers;
  return Number.isFinite(value) ? value : null;
}
