// Masks as COCO run-length codes: the pixels that they cover, and tiles to draw them with.
//
// A code runs down the columns of the image and counts background and object pixels in turn.
// A mask is stored as the places where its runs end: 300 of them take little memory, and a binary
// search tells whether a point is on one.  Points and boxes are (x, y) in pixels of the image.

const MOST_TILE_PIXELS = 1e6; // a larger tile is drawn coarser
const [EDGE, THIN_EDGE] = [2, 1]; // tile pixels, of which one to two are a pixel of the screen
const SMALL = 32; // tile pixels: the side of a box in which an edge is thin, to leave an inside
const FILL_OPACITY = 0.36;

// The mask of an instance of the server, null if it has none.
export function readMask({ rle, bbox, area }) {
  if (!rle) return null;
  const [height, width] = rle.size;
  return { height, width, counts: rle.counts, ends: runEnds(rle.counts), bbox, area };
}

// The end of each run of a compressed code, counted in pixels down the columns, background first.
// Each length is written in groups of five bits, lowest first; from the fourth on it is the
// difference to the length two before.
export function runEnds(counts) {
  const lengths = [];
  let [length, shift] = [0, 0];
  for (let i = 0; i < counts.length; i++) {
    const group = counts.charCodeAt(i) - 48;
    length |= (group & 31) << shift;
    shift += 5;
    if (group & 32) continue; // more groups follow
    if (group & 16) length |= -1 << shift; // negative
    if (lengths.length > 2) length += lengths[lengths.length - 2];
    lengths.push(length);
    [length, shift] = [0, 0];
  }
  let end = 0;
  return Uint32Array.from(lengths, (run) => (end += run));
}

// True if the pixel of (x, y) belongs to the object.
export function contains({ ends, height, width }, x, y) {
  if (x < 0 || y < 0 || x >= width || y >= height) return false;
  const place = Math.floor(x) * height + Math.floor(y);
  let [low, high] = [0, ends.length]; // contains the first run that ends behind the place
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > place) high = middle;
    else low = middle + 1;
  }
  return low % 2 === 1 && low < ends.length;
}

// Intersection over union of two masks of an image.
export function iou(one, other) {
  if (!boxesMeet(one.bbox, other.bbox)) return 0;
  let [shared, i, j] = [0, 1, 1];
  while (i < one.ends.length && j < other.ends.length) {
    const end = Math.min(one.ends[i], other.ends[j]);
    shared += Math.max(0, end - Math.max(one.ends[i - 1], other.ends[j - 1]));
    if (one.ends[i] === end) i += 2;
    else j += 2;
  }
  return shared / (one.area + other.area - shared);
}

function boxesMeet([x, y, width, height], [left, top, across, down]) {
  return x < left + across && left < x + width && y < top + down && top < y + height;
}

// The pixels of the box of a mask row by row, 1 on the object.
export function pixelsInBox({ ends, height, bbox: [left, top, width, rows] }) {
  const pixels = new Uint8Array(width * rows);
  for (let run = 1; run < ends.length; run += 2) {
    for (let place = ends[run - 1]; place < ends[run]; ) {
      const column = Math.floor(place / height);
      const stop = Math.min(ends[run], (column + 1) * height);
      let target = (place - column * height - top) * width + column - left;
      for (; place < stop; place++, target += width) pixels[target] = 1;
    }
  }
  return pixels;
}

// The mask of an image of (height, width) whose pixels in `box` are given row by row, 1 on the
// object, and that is empty elsewhere; null without any pixel.
export function maskOfPixels(pixels, [left, top, across, down], height, width) {
  const ends = [];
  let [area, x0, y0, x1, y1] = [0, Infinity, Infinity, 0, 0];
  for (let x = 0; x < across; x++) {
    for (let y = 0; y < down; y++) {
      if (!pixels[y * across + x]) continue;
      const place = (left + x) * height + top + y;
      if (ends.at(-1) === place) ends[ends.length - 1] = place + 1;
      else ends.push(place, place + 1);
      area++;
      [x0, x1] = [Math.min(x0, x), x + 1];
      [y0, y1] = [Math.min(y0, y), Math.max(y1, y + 1)];
    }
  }
  if (!area) return null;
  if (ends.at(-1) < height * width) ends.push(height * width);
  const bbox = [left + x0, top + y0, x1 - x0, y1 - y0];
  return { height, width, counts: codeOf(ends), ends: Uint32Array.from(ends), bbox, area };
}

// The compressed code of runs that end there; see `runEnds`.
export function codeOf(ends) {
  const lengths = Array.from(ends, (end, i) => end - (i ? ends[i - 1] : 0));
  let code = "";
  for (const [i, length] of lengths.entries()) {
    let rest = i > 2 ? length - lengths[i - 2] : length;
    for (let isMore = true; isMore; ) {
      const group = rest & 31;
      rest >>= 5;
      isMore = rest !== (group & 16 ? -1 : 0);
      code += String.fromCharCode(48 + group + (isMore ? 32 : 0));
    }
  }
  return code;
}

let tiles = new WeakMap(); // from a mask to its last tile of each look

// To be called before other masks are drawn: tiles are large.
export function forgetTiles() {
  tiles = new WeakMap();
}

// Draw a mask in a colour, and its edge perhaps in another.  `context` draws in pixels of the image;
// `scale` is the number of pixels of the screen in one of those.  A tile of this scale is made if
// there `isTime`; else one of another scale is drawn, or none.  True if it was of this scale.
export function drawMask(context, mask, { colour, edgeColour = colour, scale, isTime = true }) {
  const [left, top, width, height] = mask.bbox;
  const sharpest = Math.sqrt(MOST_TILE_PIXELS / (width * height));
  const wanted = Math.min(2 ** Math.ceil(Math.log2(scale)), sharpest);
  if (!tiles.has(mask)) tiles.set(mask, new Map());
  const ofMask = tiles.get(mask);
  const look = `${colour} ${edgeColour}`;
  if (isTime && ofMask.get(look)?.scale !== wanted) {
    ofMask.set(look, { scale: wanted, canvas: tile(mask, colour, edgeColour, wanted) });
  }
  const found = ofMask.get(look);
  if (found) context.drawImage(found.canvas, left, top, width, height);
  return found?.scale === wanted;
}

// A canvas of the box of a mask: a translucent inside and an opaque edge.
function tile(mask, colour, edgeColour, scale) {
  const [, , boxWidth, boxHeight] = mask.bbox;
  const width = Math.max(1, Math.round(boxWidth * scale));
  const height = Math.max(1, Math.round(boxHeight * scale));
  const edge = Math.min(width, height) < SMALL ? THIN_EDGE : EDGE;
  const inside = resampled(pixelsInBox(mask), boxWidth, boxHeight, width, height);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const tilePixels = context.createImageData(width, height);
  const [ofEdge, ofInside] = [rgb(edgeColour), rgb(colour)];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!inside[at]) continue;
      const isEdge =
        x < edge || y < edge || x >= width - edge || y >= height - edge ||
        !(inside[at - edge] && inside[at + edge] && inside[at - 1] && inside[at + 1]) ||
        !(inside[at - edge * width] && inside[at + edge * width]) ||
        !(inside[at - width] && inside[at + width]);
      tilePixels.data.set(isEdge ? ofEdge : ofInside, 4 * at);
      tilePixels.data[4 * at + 3] = isEdge ? 255 : 255 * FILL_OPACITY;
    }
  }
  context.putImageData(tilePixels, 0, 0);
  return canvas;
}

// Red, green and blue of a colour of CSS.
function rgb(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data.subarray(0, 3);
}

// The nearest pixel of `pixels` for each pixel of another size.
function resampled(pixels, fromWidth, fromHeight, width, height) {
  if (width === fromWidth && height === fromHeight) return pixels;
  const columns = Uint32Array.from({ length: width }, (_, x) => ((x + 0.5) * fromWidth) / width);
  const result = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * fromHeight) / height) * fromWidth;
    for (let x = 0; x < width; x++, at++) result[at] = pixels[row + columns[x]];
  }
  return result;
}
