// Everything that tests call, under one name.

import { age, now } from '/stamp.js';
import { Source } from '/source.js';
import { Viewer, received, sent } from '/viewer.js';
import { HttpError, direct, firstPacket, whep, whip, whipWhenFree } from '/wire.js';

const sleep = milliseconds => new Promise(wake => setTimeout(wake, milliseconds));

// `kept` holds what a test made, from one call to the next.
globalThis.rig = { 
  age, direct, firstPacket, HttpError, kept: {}, now, received, sent, sleep, Source, Viewer, whep, whip, whipWhenFree,
};
