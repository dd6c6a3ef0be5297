// Masks that are cut into parts, and masks that are put together.

import { boxAround, maskOfRaster, rasterDrawn, rasterOf } from "./rasters.js";

// A mask of what any of some masks of an image covers.
export function united(masks, image) {
  const box = boxAround(masks.map((mask) => mask.bbox), image);
  const { pixels } = rasterOf(null, box);
  for (const mask of masks) rasterOf(mask, box).pixels.forEach((isInside, i) => (pixels[i] |= isInside));
  return maskOfRaster({ pixels, box }, image);
}

// The parts of a mask that a cut separates, the largest first.  `draw(context)` draws the cut; what
// it covers goes to the part beside it.  Pieces that it does not touch stay with the largest part.
export function partsAfterCut(mask, draw, image) {
  const box = boxAround([mask.bbox], image);
  const width = box[2];
  const { pixels } = rasterOf(mask, box);
  const cut = rasterDrawn(draw, box).pixels;
  const { labels, areas } = pieces(pixels.map((isInside, i) => isInside && !cut[i]), width);
  const touched = labelTheCut(labels, pixels.map((isInside, i) => isInside && cut[i]), width);
  if (touched.size < 2) return [mask];

  const largest = [...touched].sort((one, other) => areas[other] - areas[one])[0];
  const parts = new Map([...touched].map((label) => [label, new Uint8Array(pixels.length)]));
  for (let i = 0; i < pixels.length; i++) {
    if (labels[i]) (parts.get(labels[i]) ?? parts.get(largest))[i] = 1;
  }
  const masks = Array.from(parts.values(), (own) => maskOfRaster({ pixels: own, box }, image));
  return masks.sort((one, other) => other.area - one.area);
}

// For each pixel the number of the connected piece that it is in, from 1, or 0; and the pixels of
// each piece.
function pieces(pixels, width) {
  const labels = new Uint32Array(pixels.length);
  const areas = [0];
  for (let start = 0; start < pixels.length; start++) {
    if (!pixels[start] || labels[start]) continue;
    const label = areas.push(0) - 1;
    labels[start] = label;
    for (const waiting = [start]; waiting.length; areas[label]++) {
      for (const next of neighbours(waiting.pop(), width, pixels.length)) {
        if (!pixels[next] || labels[next]) continue;
        labels[next] = label;
        waiting.push(next);
      }
    }
  }
  return { labels, areas };
}

// Give the pixels of a cut the labels of the nearest pieces; return the labels of those that touch it.
function labelTheCut(labels, cut, width) {
  const touched = new Set();
  let open = [...cut.keys()].filter((place) => cut[place]);
  for (let isFirst = true; open.length; isFirst = false) {
    const found = [];
    for (const place of open) {
      const around = neighbours(place, width, cut.length).map((next) => labels[next]).filter(Boolean);
      if (isFirst) around.forEach((label) => touched.add(label));
      if (around.length) found.push([place, around[0]]);
    }
    if (!found.length) break; // a piece that is nothing but cut
    for (const [place, label] of found) labels[place] = label;
    open = open.filter((place) => !labels[place]);
  }
  return touched;
}

// The places above, below and beside a place, row by row.
function neighbours(place, width, length) {
  const column = place % width;
  const found = [];
  if (place >= width) found.push(place - width);
  if (place + width < length) found.push(place + width);
  if (column) found.push(place - 1);
  if (column + 1 < width) found.push(place + 1);
  return found;
}
