// Masks as pixels of a box of the image, to be changed and turned into masks again.
//
// A raster is { pixels, box }: the pixels of a box [left, top, width, height] row by row, 1 on the
// object.

import { maskOfPixels, pixelsInBox } from "./masks.js";

const NOTHING = [Infinity, Infinity, -Infinity, -Infinity];

// The box around boxes, cut off at the borders of an image; null where none of it is inside.
export function boxAround(boxes, { width, height }) {
  const edges = boxes.reduce(
    ([x0, y0, x1, y1], [left, top, across, down]) => [
      Math.min(x0, left), Math.min(y0, top), Math.max(x1, left + across), Math.max(y1, top + down),
    ],
    NOTHING,
  );
  const [left, top] = [Math.max(0, Math.floor(edges[0])), Math.max(0, Math.floor(edges[1]))];
  const [right, bottom] = [Math.min(width, Math.ceil(edges[2])), Math.min(height, Math.ceil(edges[3]))];
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : null;
}

// The box around points, with `reach` pixels on each side.
export function boxOfPoints(points, reach = 0) {
  let [x0, y0, x1, y1] = NOTHING;
  for (const [x, y] of points) {
    [x0, y0] = [Math.min(x0, x), Math.min(y0, y)];
    [x1, y1] = [Math.max(x1, x), Math.max(y1, y)];
  }
  return [x0 - reach, y0 - reach, x1 - x0 + 2 * reach, y1 - y0 + 2 * reach];
}

// The pixels of a box that are on a mask, row by row; the box holds that of the mask.
export function rasterOf(mask, box) {
  const [left, top, across, down] = box;
  const pixels = new Uint8Array(across * down);
  if (mask) {
    const [x, y, width, height] = mask.bbox;
    const own = pixelsInBox(mask);
    for (let row = 0; row < height; row++) {
      const at = (y - top + row) * across + x - left;
      pixels.set(own.subarray(row * width, (row + 1) * width), at);
    }
  }
  return { pixels, box };
}

// The pixels of a box of which what `draw(context)` draws covers at least half.  It draws in pixels
// of the image.
export function rasterDrawn(draw, box) {
  const [left, top, across, down] = box;
  const context = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
  context.translate(-left, -top);
  draw(context);
  const { data } = context.getImageData(0, 0, across, down);
  const pixels = new Uint8Array(across * down);
  for (let i = 0; i < pixels.length; i++) pixels[i] = data[4 * i + 3] >> 7;
  return { pixels, box };
}

// The mask of a raster in an image of a size; null without any pixel.
export function maskOfRaster({ pixels, box }, { width, height }) {
  return maskOfPixels(pixels, box, height, width);
}
