// Outlines of masks as rings of [x, y] in pixels of the image, and masks changed by them.

import { boxAround, boxOfPoints, maskOfRaster, rasterDrawn, rasterOf } from "./rasters.js";

const TOLERANCE = 1; // pixels that an outline may be off, and
const SHARE = 0.008; // of the longer side of its box

// The rings around a mask and around its holes, along the borders of pixels, with few corners.
// Specks that shrink to less than a triangle have none.
export function outlinesOf(mask) {
  const tolerance = Math.max(TOLERANCE, SHARE * Math.max(mask.bbox[2], mask.bbox[3]));
  return traced(rasterOf(mask, mask.bbox)).map((ring) => simplified(ring, tolerance)).filter(isRing);
}

// The mask after its outlines were changed: only pixels between the old and the new ones differ.
export function redrawn(mask, before, after, image) {
  const boxes = [...before, ...after].map((ring) => boxOfPoints(ring));
  const box = boxAround([mask.bbox, ...boxes], image);
  const [old, wanted] = [before, after].map((rings) => rasterDrawn(filling(rings), box).pixels);
  const { pixels } = rasterOf(mask, box);
  for (let i = 0; i < pixels.length; i++) if (old[i] !== wanted[i]) pixels[i] = wanted[i];
  return maskOfRaster({ pixels, box }, image);
}

const isRing = (ring) => ring.length > 2;

function filling(rings) {
  return (context) => {
    drawRings(context, rings);
    context.fill("evenodd");
  };
}

// Add rings to the path of a context.
export function drawRings(context, rings) {
  context.beginPath();
  for (const ring of rings) {
    context.moveTo(...ring.at(-1));
    for (const point of ring) context.lineTo(...point);
  }
}

// The borders of a raster, every step a side of a pixel that has the object on its right.
function traced({ pixels, box: [left, top, width, height] }) {
  const isOn = (x, y) => x >= 0 && y >= 0 && x < width && y < height && pixels[y * width + x];
  const steps = new Map(); // from a corner to the corners that follow it
  const corner = (x, y) => y * (width + 1) + x;
  const add = (from, to) => steps.set(from, [...(steps.get(from) ?? []), to]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!pixels[y * width + x]) continue;
      if (!isOn(x, y - 1)) add(corner(x, y), corner(x + 1, y));
      if (!isOn(x + 1, y)) add(corner(x + 1, y), corner(x + 1, y + 1));
      if (!isOn(x, y + 1)) add(corner(x + 1, y + 1), corner(x, y + 1));
      if (!isOn(x - 1, y)) add(corner(x, y + 1), corner(x, y));
    }
  }
  const rings = [];
  for (const start of steps.keys()) {
    while (steps.get(start).length) {
      const ring = [];
      let at = start;
      do {
        ring.push([left + (at % (width + 1)), top + Math.floor(at / (width + 1))]);
        at = steps.get(at).pop();
      } while (at !== start);
      rings.push(ring);
    }
  }
  return rings;
}

// A ring without the corners that are nearer than `tolerance` to the line between others
// (Douglas and Peucker, 1973), begun at two corners that are far from each other.
function simplified(ring, tolerance) {
  const start = farthest(ring, ring[0]);
  const closed = [...ring.slice(start), ...ring.slice(0, start + 1)];
  const far = farthest(closed, closed[0]);
  const kept = new Set([0, far]);
  for (const open = [[0, far], [far, ring.length]]; open.length; ) {
    const [first, last] = open.pop();
    let [worst, most] = [-1, tolerance];
    for (let i = first + 1; i < last; i++) {
      const away = toSegment(closed[i], closed[first], closed[last]);
      if (away > most) [worst, most] = [i, away];
    }
    if (worst < 0) continue;
    kept.add(worst);
    open.push([first, worst], [worst, last]);
  }
  return closed.filter((_, i) => kept.has(i));
}

// The place of the corner that is farthest from a point.
function farthest(corners, point) {
  return corners.reduce((best, corner, i) => (distance(corner, point) > distance(corners[best], point) ? i : best), 0);
}

const distance = ([x, y], [u, v]) => Math.hypot(x - u, y - v);

// The distance of a point from the line between two others.
export function toSegment(point, from, to) {
  const [across, down] = [to[0] - from[0], to[1] - from[1]];
  const length = across ** 2 + down ** 2;
  const along = length ? ((point[0] - from[0]) * across + (point[1] - from[1]) * down) / length : 0;
  const share = Math.min(1, Math.max(0, along));
  return distance(point, [from[0] + share * across, from[1] + share * down]);
}
