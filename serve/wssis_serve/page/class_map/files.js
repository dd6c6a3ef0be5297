// What a person drew, as files that `wssis data` reads: gray PNG images in a ZIP archive.

import { NOT_ANNOTATED } from "./strokes.js";

const text = new TextEncoder();

// The files of all images with strokes or tags.  Pixels of a PNG are the ids of their classes where
// a byte can hold those, else their places; `classes.txt` says which.  Raises an error when two
// images differ in their suffix alone: their maps would have the same name.
export async function files(images, classes) {
  const isId = classes.every(({ category_id: id }) => id >= 0 && id < NOT_ANNOTATED);
  const values = new Uint8Array(256).fill(NOT_ANNOTATED);
  for (const { label, category_id: id } of classes) values[label] = isId ? id : label;
  const lines = classes.map(({ label, name }) => `${values[label]},${name}\n`);
  const found = [{ name: "classes.txt", bytes: text.encode(lines.join("")) }];
  const owners = new Map(); // from the name of a map to its image
  for (const image of images.filter(({ drawn }) => drawn)) {
    const name = `class_maps/${image.name.replace(/\.[^.]*$/, "")}.png`;
    if (owners.has(name)) {
      throw new Error(`${owners.get(name)} and ${image.name} need different names before their suffix.`);
    }
    owners.set(name, image.name);
    const pixels = image.drawn.pixels.map((label) => values[label]);
    found.push({ name, bytes: await grayPng(pixels, image.width, image.height) });
  }
  const tagged = images.filter(({ tags }) => tags.size);
  if (tagged.length) found.push({ name: "tags.csv", bytes: text.encode(tagLines(tagged, classes)) });
  return found;
}

function tagLines(images, classes) {
  const quoted = (name) => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const names = ({ tags }) => classes.filter(({ label }) => tags.has(label)).map(({ name }) => name);
  return images.map((image) => `${quoted(image.name)},${quoted(names(image).join(";"))}\n`).join("");
}

export async function grayPng(pixels, width, height) {
  const rows = new Uint8Array((width + 1) * height); // each begins with its filter: none
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const head = joined([big(width), big(height), [8, 0, 0, 0, 0]]); // 8 bits, gray
  const chunks = [["IHDR", head], ["IDAT", data], ["IEND", []]];
  return joined([[137, 80, 78, 71, 13, 10, 26, 10], ...chunks.flatMap(([kind, body]) => chunk(kind, body))]);
}

function chunk(kind, body) {
  const named = joined([text.encode(kind), body]);
  return [big(body.length), named, big(crc(named))];
}

// A ZIP archive of files that are stored as they are.
export function zip(entries) {
  const [bodies, heads] = [[], []];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const path = text.encode(name);
    const sizes = joined([little(crc(bytes)), little(bytes.length), little(bytes.length)]);
    // Version 2.0, names in UTF-8, stored, no time (1 January 1980).
    const common = joined([[20, 0, 0, 8, 0, 0, 0, 0, 33, 0], sizes, [path.length & 255, path.length >> 8, 0, 0]]);
    const body = joined([[80, 75, 3, 4], common, path, bytes]);
    heads.push(joined([[80, 75, 1, 2, 20, 0], common, new Uint8Array(10), little(offset), path]));
    bodies.push(body);
    offset += body.length;
  }
  const directory = joined(heads);
  const count = [entries.length & 255, entries.length >> 8];
  const end = joined([[80, 75, 5, 6, 0, 0, 0, 0], count, count, little(directory.length), little(offset), [0, 0]]);
  return joined([...bodies, directory, end]);
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.length;
  }
  return bytes;
}

const big = (number) => [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
const little = (number) => big(number).reverse();

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
