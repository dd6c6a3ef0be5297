// The page of a semantic student: a class for every pixel, tags that restrict it, strokes to learn from.

import { Gallery } from "../gallery.js";
import { listenForFiles, saveAs } from "../incoming.js";
import { commandOf, showKeys } from "../keys.js";
import { askToken, complain, say } from "../messages.js";
import { Server } from "../server.js";
import { View } from "../view.js";
import { Work } from "../work.js";
import { files, zip } from "./files.js";
import { MappedImage, strokesOf } from "./images.js";
import { CLICKS, KEYS } from "./keys.js";
import { Layers } from "./layers.js";
import { Panels } from "./panels.js";
import { NOT_ANNOTATED } from "./strokes.js";

const WIDTHS = [1, 3, 5, 9, 15, 25, 41, 65]; // pixels of the image

const element = (id) => document.getElementById(id);
const canvas = element("canvas");

const session = {
  classes: [],
  images: [],
  queue: null, // the images that the operator offers, see ../queue.js
  hasStudent: true, // false: there are only images to label
  image: null, // the displayed one
  picked: null, // label of the class that is drawn
  hovered: null, // label under the pointer, in the image or in the list
  pointed: null, // label of the row under the pointer: it is shown alone
  brush: null, // where the brush is over the image
  width: 5, // of the brush, in pixels of the image
  opacity: 0.6,
  isHidden: false,
  isBackgroundShown: false,
  isDownloaded: true,
  classOf(label) {
    return this.classes[label];
  },
};

const server = new Server(askToken);
const layers = new Layers();
const view = new View(canvas, {
  paint,
  onClick: () => {},
  onHover: hover,
  stroke: { isOn: isDrawing, start: startStroke, move: extendStroke, end: edited },
});
const panels = new Panels(session, { pick, tick, point: pointAt, show: (image) => gallery.show(image) });

// Images

const work = new Work(session, {
  server,
  kind: strokesOf(session),
  show: (image) => gallery.show(image),
  showNext: () => gallery.showNext(1),
  onChange: changed,
});
const gallery = new Gallery(session, panels, {
  create: (file, name, bitmap) => work.restore(new MappedImage(session, file, name, bitmap)),
  display,
  ask,
});

async function display(image, bitmap) {
  if (session.image) session.image.labels = null; // maps are large, and there may be many images
  Object.assign(session, { image, hovered: null, pointed: null, brush: null });
  view.show(bitmap);
  changed();
  if (image.answer) await take(image, image.answer);
}

// Questions to the server

let known = null; // the promise of the classes

function knowClasses() {
  known ??= askClasses().catch((error) => {
    known = null; // the next image asks again
    throw error;
  });
  return known;
}

async function askClasses() {
  const { kind, models, ...offers } = await server.models();
  if (kind !== "semantic") return location.reload(); // another model is served now, with its own page
  await work.open(offers);
  session.hasStudent = models.length > 0;
  if (session.hasStudent) session.classes = models[0].classes; // in the order of its labels
  for (const words of document.querySelectorAll(".of-student")) words.hidden = !session.hasStudent;
  element("kept").hidden = !session.queue;
  panels.showClasses();
  pick(session.classes.find(({ name }) => name !== "background")?.label ?? 0);
  if (session.queue) setMode("tag");
  panels.update();
  if (session.queue) gallery.show(session.queue.nextOpen(null) ?? session.images[0]);
}

// Ask for the class map of an image, unless it is known for these tags.
async function ask(image) {
  const tags = [...image.tags].sort().join();
  if (image.askedTags === tags) return;
  image.askedTags = tags;
  try {
    await knowClasses();
    if (!session.hasStudent) return;
    const names = session.classes.filter(({ label }) => image.tags.has(label)).map(({ name }) => name);
    const answer = await server.classMap(image.file, names);
    if (image.askedTags !== tags) return; // other tags were ticked in the meantime
    checkSize(image, answer.image);
    await take(image, answer);
    if (image === session.image) say(`Shown: ${answer.classes.map((shown) => shown.class).join(", ")}.`);
  } catch (error) {
    image.askedTags = null; // asked again when it is displayed again
    complain(`${image.name}: ${error.message}`);
  }
  changed();
}

// Take an answer, and unpack its map if the image is the displayed one.
async function take(image, { classes, png }) {
  const labels = image === session.image ? await labelsIn(png) : null;
  image.answer = { classes, png };
  if (image === session.image) image.labels = labels;
  changed();
}

function checkSize(image, { width, height }) {
  if (width === image.width && height === image.height) return;
  const sizes = `${width} × ${height} on the server, ${image.width} × ${image.height} here`;
  throw new Error(`the image is ${sizes}. Save it without rotation and add it again.`);
}

// The pixels of a gray PNG in base64.
async function labelsIn(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}

// Tags

function tick(label, isTicked = !session.image?.tags.has(label)) {
  const { image } = session;
  if (!image || session.classOf(label).name === "background") return;
  if (isTicked) image.tags.add(label);
  else image.tags.delete(label);
  tagged(image);
}

function untick() {
  session.image.tags.clear();
  tagged(session.image);
}

function tagged(image) {
  edited();
  ask(image);
}

// Strokes

const mode = () => document.querySelector("[name=mode]:checked").value;

function isDrawing() {
  return ["draw", "erase"].includes(mode());
}

function startStroke(point) {
  const { image, picked, width } = session;
  image.start({ value: mode() === "erase" ? NOT_ANNOTATED : picked, width, points: [point] });
  view.redraw();
}

function extendStroke(point) {
  session.image.extend(point);
  view.redraw();
}

// What a person did is kept at once.
function edited() {
  session.isDownloaded = Boolean(session.queue);
  work.keep(session.image);
  changed();
}

function undo() {
  if (!session.image?.canUndo) return;
  session.image.undo();
  edited();
}

function redo() {
  if (!session.image?.canRedo) return;
  session.image.redo();
  edited();
}

function pick(label) {
  session.picked = label;
  panels.mark();
  panels.reveal(label);
}

function setMode(value) {
  document.querySelector(`[name=mode][value=${value}]`).checked = true;
  modeChanged();
}

function modeChanged() {
  canvas.classList.toggle("is-drawing", isDrawing());
  view.redraw();
}

function widen(step) {
  const place = WIDTHS.indexOf(session.width) + step;
  setWidth(WIDTHS[Math.min(Math.max(place, 0), WIDTHS.length - 1)]);
}

function setWidth(width) {
  session.width = width;
  element("width").value = WIDTHS.indexOf(width);
  element("width-shown").textContent = `${width} px`;
  view.redraw();
}

async function download() {
  const { images, classes, queue } = session;
  const marked = images.filter(({ drawn, tags }) => drawn || tags.size);
  if (!queue && !marked.length) return;
  try {
    if (queue) return saveAs(queue.fileName, [await queue.file()], "application/zip");
    saveAs("class_maps.zip", [zip(await files(marked, classes))], "application/zip");
    session.isDownloaded = true;
    say(`Strokes and tags of ${marked.length} image${marked.length > 1 ? "s" : ""} downloaded.`);
  } catch (error) {
    complain(error.message);
  }
}

// The screen

function paint(context) {
  const { image, brush, width } = session;
  layers.paint(context, image, session);
  if (!brush || !isDrawing()) return;
  view.inCanvas(context);
  const [x, y] = view.toCanvas(brush);
  for (const [line, colour] of [[3, "rgb(0 0 0 / .7)"], [1.5, "#ffffff"]]) {
    context.beginPath();
    context.arc(x, y, Math.max(3, (width / 2) * view.scale), 0, 2 * Math.PI);
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.stroke();
  }
}

function hover(point) {
  session.brush = point;
  session.hovered = point && session.image ? session.image.labelAt(point) : null;
  panels.mark();
  if (isDrawing()) view.redraw();
}

function pointAt(label) {
  session.pointed = session.hovered = label;
  panels.mark();
  view.redraw();
}

function changed() {
  panels.update();
  view.redraw();
}

const commands = {
  finish: () => session.queue && work.finish(),
  reopen: () => session.queue && work.mark("open"),
  nextOpen: () => session.queue && work.nextOpen(),
  skip: () => session.queue && work.skip(),
  next: () => gallery.showNext(1),
  previous: () => gallery.showNext(-1),
  pick: (digit) => {
    const known = session.classes[digit - 1];
    if (!known) return;
    pick(known.label);
    if (mode() === "tag") tick(known.label);
  },
  find: () => element("find").focus(),
  tick: () => session.picked !== null && tick(session.picked),
  mode: setMode,
  widen,
  undo,
  redo,
  hide: () => {
    session.isHidden = !session.isHidden;
    view.redraw();
  },
  background: () => {
    session.isBackgroundShown = !session.isBackgroundShown;
    view.redraw();
  },
  zoom: (factor) => view.zoom(factor),
  fit: () => view.fit(),
  choose: () => element("files").click(),
  download,
  help: () => element("keys").showModal(),
};

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const command = commandOf(event, KEYS);
  if (!command) return;
  event.preventDefault();
  commands[command.name](command.value);
}

function listen() {
  // Copies of earlier work name classes, so these come first.
  listenForFiles((files) => knowClasses().catch(() => {}).then(() => gallery.add(files)));
  for (const name of ["undo", "redo", "download", "fit", "help", "previous", "next", "finish", "skip"]) {
    element(name).onclick = commands[name];
  }
  element("next-open").onclick = commands.nextOpen;
  element("done").onchange = ({ target }) => work.mark(target.checked ? "done" : "open");
  element("smaller").onclick = () => view.zoom(1 / 1.5);
  element("larger").onclick = () => view.zoom(1.5);
  element("untick").onclick = untick;
  element("opacity").oninput = ({ target }) => {
    session.opacity = Number(target.value);
    view.redraw();
  };
  element("width").oninput = ({ target }) => setWidth(WIDTHS[target.value]);
  for (const radio of document.querySelectorAll("[name=mode]")) radio.onchange = modeChanged;
  document.addEventListener("keydown", onKey);
  element("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
  addEventListener("beforeunload", (event) => {
    if (!session.isDownloaded || session.queue?.numUnsaved) event.preventDefault();
  });
}

showKeys(element("key-list"), KEYS, CLICKS);
listen();
setWidth(session.width);
knowClasses().catch((error) => complain(error.message));
