// Access tokens: they arrive in the address, and leave it at once.
//
// `?token=` (or `#token=`) belongs to the page it is given to: it lets the publish page publish and the watch page
// watch. `?watch_token=` on the publish page is what the share link carries; `?admin_token=` shows more of the list of
// streams. Tokens live in this tab's sessionStorage, so that a reload works; they are never written anywhere else.

const KEY = 'headwater.token.';
const memory = new Map();

function load(role) {
  try {
    return sessionStorage.getItem(KEY + role);
  } catch {
    return memory.get(role) ?? null; // storage is blocked: the token lives as long as the page
  }
}

export function remember(role, token) {
  memory.set(role, token);
  try {
    if (token) sessionStorage.setItem(KEY + role, token);
    else sessionStorage.removeItem(KEY + role);
  } catch {
    // storage is blocked; memory has it
  }
}

/** The token for a role (`publish`, `watch` or `admin`), or null. */
export const token = (role) => load(role) || null;

/** Request headers that carry the token for a role; empty when there is none. */
export function bearer(role) {
  const value = token(role);
  return value ? { Authorization: `Bearer ${value}` } : {};
}

/** Takes the tokens out of the address bar. `roles` says what `token` means on this page. */
export function takeFromAddress(roles) {
  const url = new URL(location.href);
  const hash = new URLSearchParams(url.hash.replace(/^#/, ''));
  const found = url.searchParams.get('token') || hash.get('token');
  const others = ['watch', 'admin'].map((role) => [role, url.searchParams.get(`${role}_token`) || hash.get(`${role}_token`)]);
  if (found) for (const role of roles) remember(role, found);
  for (const [role, value] of others) if (value) remember(role, value);
  if (!found && !others.some(([, value]) => value)) return;
  for (const name of ['token', 'watch_token', 'admin_token']) {
    url.searchParams.delete(name);
    hash.delete(name);
  }
  url.hash = hash.toString();
  history.replaceState(history.state, '', url);
}
