// Strokes of a person as pixels, exactly those that are downloaded: no soft edges.

import { codeOf, runEnds } from "../masks.js";

export const NOT_ANNOTATED = 255;

// A class map that says nothing yet.
export function emptyMap(width, height) {
  return { width, height, pixels: new Uint8Array(width * height).fill(NOT_ANNOTATED) };
}

// The run lengths of each label in a map, as in a mask of COCO.
export function runsByLabel({ width, height, pixels }) {
  const ends = new Map();
  let last = NOT_ANNOTATED;
  for (let x = 0, place = 0; x < width; x++) {
    for (let y = 0; y < height; y++, place++) {
      const label = pixels[y * width + x];
      if (label === last) continue;
      ends.get(last)?.push(place);
      if (label !== NOT_ANNOTATED) {
        if (!ends.has(label)) ends.set(label, []);
        ends.get(label).push(place);
      }
      last = label;
    }
  }
  for (const runs of ends.values()) if (runs.at(-1) < width * height) runs.push(width * height);
  return new Map([...ends].map(([label, runs]) => [label, { size: [height, width], counts: codeOf(runs) }]));
}

// Give `value` to the pixels of a mask of COCO.
export function fill({ width, height, pixels }, { counts }, value) {
  const ends = runEnds(counts);
  for (let run = 1; run < ends.length; run += 2) {
    for (let place = ends[run - 1]; place < ends[run]; place++) {
      pixels[(place % height) * width + Math.floor(place / height)] = value;
    }
  }
}

// Give `value` to the pixels whose centre is within `stroke.width` / 2 of its parts from point number
// `first` on, and to the pixel that each point lies in.
export function draw(map, stroke, first = 0) {
  const { points } = stroke;
  for (let i = first; i < points.length; i++) drawPart(map, points[Math.max(0, i - 1)], points[i], stroke);
}

function drawPart(map, [ax, ay], [bx, by], { width: brush, value }) {
  const { width, height, pixels } = map;
  const radius = brush / 2;
  const clip = (place, end) => Math.min(Math.max(Math.floor(place), 0), end - 1);
  const [left, right] = [clip(Math.min(ax, bx) - radius, width), clip(Math.max(ax, bx) + radius, width)];
  const [top, bottom] = [clip(Math.min(ay, by) - radius, height), clip(Math.max(ay, by) + radius, height)];
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
      if (Math.hypot(px - along * dx, py - along * dy) <= radius) pixels[y * width + x] = value;
    }
  }
  const [x, y] = [Math.floor(bx), Math.floor(by)];
  if (x >= 0 && y >= 0 && x < width && y < height) pixels[y * width + x] = value;
}
