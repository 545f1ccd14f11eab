// The clock strip of the test card: the time of drawing, as 40 black or white cells, readable by a machine.
//
//   cells   0..1  white, black (levels)      2..33  Date.now() modulo 2^32, highest bit first
//          34..37 checksum: XOR of the eight nibbles      38..39  black, white
//
// It sits at fixed shares of the picture, so it survives scaling. Reading it back where the stream is watched gives the
// delay from drawing to screen, as far as both machines' clocks agree (on one machine: exactly).

export const CELLS = 40;
/** Shares of width and height. */
export const STRIP = { x: 0.1, y: 0.92, width: 0.8, height: 0.06 };
/** The disc that turns white for FLASH_MS at each full second, with the beep. */
export const FLASH = { x: 0.83, y: 0.715, radius: 0.06 /* of the height, or of 9/16 of the width where that is less */ };
export const FLASH_MS = 100;

const MODULUS = 2 ** 32;

function checksum(value) {
  let sum = 0;
  for (let shift = 0; shift < 32; shift += 4) sum ^= (value >>> shift) & 15;
  return sum;
}

/** The 40 cells for a time in ms; true is white. */
export function encode(time) {
  const value = time % MODULUS;
  const bits = [true, false];
  for (let bit = 31; bit >= 0; bit -= 1) bits.push(((value >>> bit) & 1) === 1);
  for (let bit = 3; bit >= 0; bit -= 1) bits.push(((checksum(value) >>> bit) & 1) === 1);
  return [...bits, false, true];
}

/** The time in ms that 40 luminances (0..255) say, or null. */
export function decode(levels) {
  const white = (levels[0] + levels[39]) / 2;
  const black = (levels[1] + levels[38]) / 2;
  if (white - black < 60) return null;
  const bits = levels.map((level) => level > (white + black) / 2);
  let value = 0;
  for (const bit of bits.slice(2, 34)) value = value * 2 + Number(bit);
  const sum = bits.slice(34, 38).reduce((total, bit) => total * 2 + Number(bit), 0);
  return checksum(value) === sum ? value : null;
}

const canvas = globalThis.document?.createElement('canvas');

/** Age in ms of the test card in a video element's picture, or null if there is none. */
export function age(video, now = Date.now()) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width || !height || !canvas) return null;
  canvas.width = CELLS * 8;
  canvas.height = 8;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const strip = { x: STRIP.x * width, y: (STRIP.y + STRIP.height * 0.35) * height };
  context.drawImage(video, strip.x, strip.y, STRIP.width * width, STRIP.height * 0.3 * height, 0, 0, canvas.width, 8);
  const { data } = context.getImageData(0, 0, canvas.width, 8);
  const levels = Array.from({ length: CELLS }, (_, cell) => {
    let sum = 0;
    for (let y = 2; y < 6; y += 1) {
      for (let x = 2; x < 6; x += 1) sum += data[((y * canvas.width) + cell * 8 + x) * 4 + 1];
    }
    return sum / 16;
  });
  const time = decode(levels);
  if (time === null) return null;
  const difference = ((now % MODULUS) - time + MODULUS * 1.5) % MODULUS - MODULUS / 2;
  return Math.abs(difference) < 600_000 ? difference : null;
}
