// The two round buttons on the preview: sound and picture, on or off. A track that is off goes on as silence or black.

import { setIcon } from './icons.js';
import { $ } from './ui.js';

const BUTTONS = [
  { id: 'mute', kind: 'audio', icons: ['mic', 'mic-off'], labels: ['Mute the sound', 'Turn the sound on'] },
  { id: 'camera-off', kind: 'video', icons: ['camera', 'camera-off'], labels: ['Stop the picture', 'Show the picture'] },
];

/** `source()` is what is on the stage; `changed()` is called after a click. */
export function wireToggles(source, changed) {
  for (const { id, kind } of BUTTONS) {
    $(id).addEventListener('click', () => {
      const track = source()?.[kind];
      if (track) track.enabled = !track.enabled;
      changed();
    });
  }
}

export function renderToggles(source) {
  for (const { id, kind, icons, labels } of BUTTONS) {
    const track = source?.[kind];
    const off = Number(track ? !track.enabled : false);
    $(id).disabled = !track;
    $(id).setAttribute('aria-pressed', Boolean(off));
    $(id).setAttribute('aria-label', labels[off]);
    $(id).title = labels[off];
    setIcon($(id), icons[off]);
  }
}
