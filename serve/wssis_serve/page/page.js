// The page: images come in, a person points, the server draws masks, labels go out.

import { Asking } from "./asking.js";
import { Edits } from "./edits.js";
import { Gallery } from "./gallery.js";
import { listenForFiles, saveAs } from "./incoming.js";
import { commandOf, showKeys } from "./keys.js";
import { LabelledImage, OBJECTS, toCoco } from "./labels.js";
import { forgetTiles } from "./masks.js";
import { complain, say } from "./messages.js";
import { Overlay } from "./overlay.js";
import { Panels } from "./panels.js";
import { Pen } from "./pen.js";
import { session } from "./session.js";
import { Vertices } from "./vertices.js";
import { View } from "./view.js";
import { Work } from "./work.js";

const [STEP, FINE_STEP] = [12, 1]; // CSS pixels of the crosshair

const element = (id) => document.getElementById(id);
const canvas = element("canvas");

const asking = new Asking(session, {
  onModels: async (offers) => {
    await work.open(offers);
    element("of-student").hidden = !session.findsObjects;
    panels.showClasses();
    pickClass(session.classes[0].category_id);
    if (session.queue) gallery.show(session.queue.nextOpen(null) ?? session.images[0]);
  },
  onChange: changed,
  onMasks: (image) => work.keep(image),
});
const work = new Work(session, {
  server: asking.server,
  kind: OBJECTS,
  show: (image) => gallery.show(image),
  showNext: () => gallery.showNext(1),
  onChange: changed,
});
const edits = new Edits(session, {
  view: () => view,
  onEdit: edited,
  onRemove: () => session.queue?.isReview && work.finish(), // no object is left: it is deleted
  onSelect: select,
});
const overlay = new Overlay(session);
const pen = new Pen({
  view: () => view,
  toolOf: mode,
  onStart: (tool) => edits.startStroke(tool),
  onDrawn: (stroke) => edits.finishStroke(stroke),
});
const vertices = new Vertices(session, {
  view: () => view,
  onDrawn: (mask) => edits.draw(mask),
  onMiss: (point) => edits.click(point, "vertices"),
});
const view = new View(canvas, {
  paint: (context) => {
    overlay.paint(context, view);
    if (mode() === "vertices") vertices.paint(context, session.colour);
    pen.paint(context, view, session.colour, session.pointer);
  },
  stroke: {
    isOn: () => hand().isOn(),
    start: (point, event) => hand().start(point, event),
    move: (point) => hand().move(point),
    end: () => hand().end(),
  },
  onClick: (point, event) => edits.click(point, modeOf(event)),
  onHover: hover,
});
const panels = new Panels(session, {
  accept: (suggestion) => edits.accept(suggestion),
  askAgain: (object) => edits.revise(object, {}),
  pickClass,
  point: pointAt,
  remove: (object) => edits.remove(object),
  select,
  show: (image) => gallery.show(image),
});

// Images

const gallery = new Gallery(session, panels, {
  create: (file, name, bitmap) => work.restore(new LabelledImage(session.images.length + 1, file, name, bitmap)),
  display,
  ask: (image) => asking.suggest(image),
});

function display(image, bitmap) {
  Object.assign(session, { image, selected: null, pointedAt: null, crosshair: null });
  forgetTiles();
  view.show(bitmap);
  if (session.queue?.isReview) showMask(image);
  changed();
}

// Of a review, select the mask and look at it closely.
function showMask(image) {
  const object = image.objects[0] ?? image.read;
  session.selected = object.key;
  pickClass(object.categoryId);
  view.frame(object.answer.mask.bbox);
}

// Labels

function modeOf({ shiftKey, altKey, ctrlKey, metaKey, button }) {
  if (shiftKey || button === 2) return "off";
  if (altKey || ctrlKey || metaKey) return "on";
  return mode();
}

// What a drag with the main button does.
function hand() {
  return mode() === "vertices" ? vertices : pen;
}

function mode() {
  return document.querySelector("[name=mode]:checked").value;
}

function pickMode(value) {
  hand().end();
  document.querySelector(`[name=mode][value=${value}]`).checked = true;
  view.redraw();
}

function select(key) {
  session.selected = key;
  panels.mark();
  view.redraw();
}

function selectNext(step) {
  const { objects } = session;
  if (!objects.length) return;
  const place = objects.findIndex((object) => object.key === session.selected);
  const start = place < 0 && step < 0 ? 0 : place;
  select(objects[(start + step + objects.length) % objects.length].key);
}

function pickClass(id) {
  session.category = id;
  panels.mark();
}

function edited() {
  session.isDownloaded = Boolean(session.queue);
  work.keep(session.image);
  if (!session.object) session.selected = null;
  changed();
  asking.askForMasks(session.image);
}

async function download() {
  const { queue } = session;
  if (queue) return saveAs(queue.fileName, [await queue.file()], "application/json");
  const coco = toCoco(session.images, session.classes, session.models);
  if (!coco.images.length) return;
  saveAs("labels.json", [JSON.stringify(coco)], "application/json");
  session.isDownloaded = true;
  say(`${coco.annotations.length} objects in ${coco.images.length} images downloaded.`);
}

// Pointing without a mouse

function toggleCrosshair() {
  if (!session.image) return;
  const { width, height } = session.image;
  session.crosshair = session.crosshair ? null : [width / 2, height / 2];
  canvas.focus();
  view.redraw();
}

function moveCrosshair(across, down, isFine) {
  const step = (isFine ? FINE_STEP : STEP) / view.scale;
  const { width, height } = session.image;
  const within = (value, end) => Math.floor(100 * Math.min(Math.max(value, 0), end - 0.01)) / 100;
  const [x, y] = session.crosshair;
  session.crosshair = [within(x + across * step, width), within(y + down * step, height)];
  hover(session.crosshair);
  if (hand().isHolding) hand().move(session.crosshair);
}

function hover(point) {
  session.pointer = point;
  const found = point && overlay.topmost(point);
  canvas.classList.toggle("is-over", Boolean(point));
  pointAt(found ?? null);
}

function pointAt(thing) {
  session.pointedAt = thing;
  panels.mark();
  view.redraw();
}

function back() {
  hand().end();
  if (session.crosshair) session.crosshair = null;
  else if (!session.queue?.isReview) session.selected = null;
  panels.mark();
  view.redraw();
}

// Updates of the screen

function changed() {
  panels.update();
  view.redraw();
}

const commands = {
  finish: () => work.finish(),
  reopen: () => work.mark("open"),
  nextOpen: () => work.nextOpen(),
  skip: () => (session.queue?.isReview ? edits.remove() : work.skip()),
  next: () => gallery.showNext(1),
  previous: () => gallery.showNext(-1),
  pick: (digit) => session.classes[digit - 1] && pickClass(session.classes[digit - 1].category_id),
  find: () => element("find").focus(),
  giveClass: () => edits.giveClass(),
  mode: pickMode,
  resize: (step) => {
    pen.resize(step);
    view.redraw();
  },
  drawAgain: () => edits.drawAgain(),
  merge: () => edits.merge(),
  accept: () => edits.acceptPointedAt(),
  acceptAll: () => edits.acceptAll(),
  selectNext,
  remove: () => edits.remove(),
  undo: () => edits.undo(),
  redo: () => edits.redo(),
  back,
  toggleCrosshair,
  hide: () => {
    session.areMasksHidden = !session.areMasksHidden;
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
  if (session.crosshair && event.target === canvas && crosshairKey(event)) return event.preventDefault();
  const command = commandOf(event);
  if (!command) return;
  event.preventDefault();
  commands[command.name](command.value);
}

// Let the crosshair handle a key; true if it did.
function crosshairKey(event) {
  const { key } = event;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[key]) moveCrosshair(...moves[key], event.shiftKey);
  else if (key === "Enter") clickCrosshair(event);
  return key === "Enter" || key in moves;
}

// Enter clicks; with a tool that draws, one begins a stroke and the next one ends it.
function clickCrosshair(event) {
  if (hand().isHolding) hand().end();
  else if (hand().isOn()) hand().start(session.crosshair, event);
  else edits.click(session.crosshair, modeOf(event));
}

function listen() {
  for (const name of ["undo", "redo", "download", "fit", "help", "finish", "skip"]) {
    element(name).onclick = () => commands[name]();
  }
  element("next-open").onclick = commands.nextOpen;
  element("done").onchange = ({ target }) => work.mark(target.checked ? "done" : "open");
  element("previous").onclick = commands.previous;
  element("next").onclick = commands.next;
  element("smaller").onclick = () => view.zoom(1 / 1.5);
  element("larger").onclick = () => view.zoom(1.5);
  element("accept-all").onclick = commands.acceptAll;
  element("threshold").oninput = ({ target }) => {
    session.threshold = Number(target.value);
    changed();
  };
  document.querySelector(".modes").onchange = () => view.redraw();
  listenForFiles((files) => gallery.add(files));
  document.addEventListener("keydown", onKey);
  element("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
  addEventListener("beforeunload", (event) => {
    if (!session.isDownloaded || session.queue?.numUnsaved) event.preventDefault();
  });
}

showKeys(element("key-list"));
listen();
asking.knowModels().catch((error) => complain(error.message));
