// Time written into the picture: black and white blocks that survive a video encoder.
//
// The top sixth of the picture is 2 rows of 16 blocks: 24 bits of milliseconds, then an 8-bit check.
// The bottom sixth is the flash: white for FLASH_MS at every full second, black otherwise.

export const FLASH_MS = 120;
const COLUMNS = 16;
const ROWS = 2;
const BITS = 24;
const RANGE = 2 ** BITS;
// A picture scaled to this size has 4x4 pixels a block, and 8 rows of flash.
const SCALED_WIDTH = 64;
const SCALED_HEIGHT = 48;

/** Wall-clock milliseconds with fractions: the same clock in every page and browser of one host. */
export const now = () => performance.timeOrigin + performance.now();

const check = value => Math.imul(value ^ 0x5a5a5a, 0x9e3779b1) >>> 24;

export function drawStamp(context, width, height, milliseconds) {
  const value = Math.round(milliseconds) % RANGE;
  const sum = check(value);
  const blockWidth = width / COLUMNS;
  const blockHeight = height / 6 / ROWS;
  for (let i = 0; i < COLUMNS * ROWS; i++) {
    const bit = i < BITS ? (value >>> (BITS - 1 - i)) & 1 : (sum >>> (31 - i)) & 1;
    context.fillStyle = bit ? '#fff' : '#000';
    context.fillRect((i % COLUMNS) * blockWidth, Math.floor(i / COLUMNS) * blockHeight, blockWidth, blockHeight);
  }
}

export function drawFlash(context, width, height, milliseconds) {
  context.fillStyle = milliseconds % 1000 < FLASH_MS ? '#fff' : '#000';
  context.fillRect(0, height * 5 / 6, width, height / 6);
}

/** Reads pictures: `read(video)` gives `{stamp, flash}`; `stamp` is null if the picture has none that checks. */
export class StampReader {
  constructor() {
    const canvas = document.createElement('canvas');
    canvas.width = SCALED_WIDTH;
    canvas.height = SCALED_HEIGHT;
    this.context = canvas.getContext('2d', { willReadFrequently: true, alpha: false });
  }

  read(video) {
    this.context.drawImage(video, 0, 0, SCALED_WIDTH, SCALED_HEIGHT);
    const pixels = this.context.getImageData(0, 0, SCALED_WIDTH, SCALED_HEIGHT).data;
    const luma = (x, y) => {
      const at = (y * SCALED_WIDTH + x) * 4;
      return (pixels[at] * 3 + pixels[at + 1] * 6 + pixels[at + 2]) / 10;
    };
    const block = (x, y) => (luma(x, y) + luma(x + 1, y) + luma(x, y + 1) + luma(x + 1, y + 1)) / 4;
    let value = 0;
    let sum = 0;
    for (let i = 0; i < COLUMNS * ROWS; i++) {
      const bit = block((i % COLUMNS) * 4 + 1, Math.floor(i / COLUMNS) * 4 + 1) > 128 ? 1 : 0;
      if (i < BITS) value = value * 2 + bit; else sum = sum * 2 + bit;
    }
    const flash = (luma(16, 44) + luma(32, 44) + luma(48, 44)) / 3 > 128;
    return { stamp: check(value) === sum ? value : null, flash };
  }
}

/** The age of a stamp at a given time, right across the wrap of its 24 bits. */
export function age(milliseconds, stamp) {
  const difference = (((milliseconds - stamp) % RANGE) + RANGE) % RANGE;
  return difference > RANGE / 2 ? difference - RANGE : difference;
}
