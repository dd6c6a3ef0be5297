// The page: pictures come in, a person points, the server draws masks, labels go out.

import { commandOf, showKeys } from "./keys.js";
import { Picture, acceptedObject, askedAgain, pointedObject, question, toCoco } from "./labels.js";
import { forgetTiles, readMask } from "./masks.js";
import { Overlay } from "./overlay.js";
import { Panels } from "./panels.js";
import { Server } from "./server.js";
import { View } from "./view.js";

const LOWEST_SCORE = 0.05; // what the student is asked for; the slider hides some of it
const MARKER_REACH = 9; // CSS pixels: a click this near to a point is meant for it
const [STEP, FINE_STEP] = [12, 1]; // CSS pixels of the cross

const element = (id) => document.getElementById(id);
const canvas = element("canvas");

const session = {
  models: [],
  classes: [],
  takesPoints: false,
  pictures: [],
  picture: null, // the one that is shown
  category: null, // id of the class that the next point gets
  selected: null, // key of an object
  pointedAt: null, // the suggestion or the object under the pointer
  threshold: 0.3,
  cross: null, // [x, y] where the keyboard points, while it does
  areMasksHidden: false,
  isDownloaded: true,

  get shown() {
    return this.picture?.open(this.threshold) ?? [];
  },
  get objects() {
    return this.picture?.objects ?? [];
  },
  get object() {
    return this.objects.find((each) => each.key === this.selected);
  },
  classOf(id) {
    return this.classes.find((each) => each.category_id === id);
  },
};

const server = new Server(askToken);
const overlay = new Overlay(session);
const view = new View(canvas, {
  paint: (context) => overlay.paint(context, view),
  onClick: (point, event) => click(point, modeOf(event)),
  onHover: hover,
});
const panels = new Panels(session, {
  accept,
  askAgain: (object) => revise(object, {}),
  pickClass,
  point: pointAt,
  remove,
  select,
  show,
});

// Pictures

async function addFiles(files) {
  for (const file of files) {
    if (session.pictures.some((each) => isSame(each.file, file))) {
      say(`${file.name} is here already.`);
      continue;
    }
    try {
      const bitmap = await createImageBitmap(file);
      const id = session.pictures.length + 1;
      const picture = new Picture(id, file, freeName(file.name), bitmap);
      session.pictures.push(picture);
      panels.addPicture(picture, bitmap);
      bitmap.close();
      if (!wanted) show(picture);
    } catch {
      complain(`${file.name}: this browser cannot read it as a picture.`);
    }
  }
  panels.update();
}

function isSame(one, other) {
  return ["name", "size", "lastModified"].every((key) => one[key] === other[key]);
}

// A name that no other picture has: pasted ones are all called the same.
function freeName(name) {
  const taken = new Set(session.pictures.map((each) => each.name));
  const [, stem, ending] = /^(.*?)(\.[^.]*)?$/.exec(name);
  let free = name;
  for (let i = 2; taken.has(free); i++) free = `${stem} (${i})${ending ?? ""}`;
  return free;
}

let wanted = null; // the picture to show, while it is decoded and after

async function show(picture) {
  wanted = picture;
  const bitmap = await createImageBitmap(picture.file);
  if (wanted !== picture) return bitmap.close(); // another one was asked for meanwhile
  Object.assign(session, { picture, selected: null, pointedAt: null, cross: null });
  forgetTiles();
  view.show(bitmap);
  changed();
  await suggest(picture);
  const next = session.pictures[session.pictures.indexOf(picture) + 1];
  if (next) await suggest(next);
}

function showNext(step) {
  const next = session.pictures[session.pictures.indexOf(session.picture) + step];
  if (next) show(next);
}

// The server

let known = null; // the promise that the models are known; without them nothing has a class

function knowModels() {
  known ??= askModels().catch((error) => {
    known = null; // asked again with the next picture
    throw error;
  });
  return known;
}

async function askModels() {
  const { models, takes_points: takesPoints } = await server.models();
  const { classes } = models.find((model) => model.name === "student");
  Object.assign(session, { models, classes, takesPoints });
  panels.showClasses();
  pickClass(classes[0].category_id);
  if (!takesPoints) say("No teacher is served here: points are kept, but get no masks.");
}

function suggest(picture) {
  return (picture.suggesting ??= askStudent(picture));
}

async function askStudent(picture) {
  try {
    await knowModels();
    const answer = await server.segment(picture.file, LOWEST_SCORE);
    checkSize(picture, answer.image);
    picture.suggestions = answer.instances
      .map((each) => ({ categoryId: each.category_id, score: each.score, mask: readMask(each) }))
      .sort((one, other) => other.score - one.score);
    if (picture === session.picture) say(`The student found ${session.shown.length} objects.`);
  } catch (error) {
    picture.suggesting = null; // asked again when it is shown again
    complain(`${picture.name}: ${error.message}`);
  }
  changed();
}

// Ask for the masks of all points that wait; while an answer is under way others gather.
async function askForMasks(picture) {
  if (picture.isAsking || !session.takesPoints) return;
  picture.isAsking = true;
  for (let objects; (objects = picture.objects.filter(isWaiting)).length; changed()) {
    try {
      const answer = await server.points(picture.file, picture.imageId, objects.map(question));
      checkSize(picture, answer.image);
      picture.imageId = answer.image.id;
      objects.forEach((object, i) => take(object.answer, answer.instances[i]));
    } catch (error) {
      for (const { answer } of objects) Object.assign(answer, { state: "failed", mask: null });
      complain(`${picture.name}: ${error.message}`);
    }
  }
  picture.isAsking = false;
}

const isWaiting = (object) => object.answer.state === "waiting";

function take(answer, instance) {
  const mask = readMask(instance);
  const { score, expected_iou: expectedIou, alarms } = instance;
  Object.assign(answer, { state: mask ? "mask" : "nothing", mask, score, expectedIou, alarms });
  const iou = expectedIou === null ? "" : `, expected IoU ${expectedIou.toFixed(2)}`;
  say(mask ? `Mask with score ${score.toFixed(2)}${iou}.` : "No mask: it stays a point.");
}

function checkSize(picture, { width, height }) {
  if (width === picture.width && height === picture.height) return;
  const sizes = `${width} × ${height} to the server, ${picture.width} × ${picture.height} here`;
  throw new Error(`the picture is ${sizes}. Save it without rotation and add it again.`);
}

function askToken(isFirst) {
  const dialog = element("token-dialog");
  element("token-refused").hidden = isFirst;
  element("token").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.querySelector("form").onsubmit = () => resolve(element("token").value.trim());
  });
}

// Labels

function modeOf({ shiftKey, altKey, ctrlKey, metaKey, button }) {
  if (shiftKey || button === 2) return "off";
  if (altKey || ctrlKey || metaKey) return "on";
  return document.querySelector("[name=mode]:checked").value;
}

function click(point, mode) {
  const object = session.object;
  if (mode === "new") {
    const near = objectNear(point);
    if (near) return select(near.key);
    if (session.category === null) return complain("No class is picked.");
    const added = withoutServer(pointedObject(session.category, point));
    session.picture.add(added);
    session.selected = added.key;
  } else if (!object) {
    return complain("Select an object first: click its point, or its line in the list.");
  } else if (object.point) {
    const [x, y] = point;
    const clicks = [...object.clicks, { x, y, positive: mode === "on" }];
    return revise(object, { clicks });
  } else if (mode === "on") {
    return revise(object, { point }); // one that the student found, and now somebody pointed at it
  } else {
    return complain("Nobody has pointed at this object yet: alt + click it first.");
  }
  edited();
}

function objectNear(point) {
  const [x, y] = view.toCanvas(point);
  return session.objects.findLast((object) => {
    if (!object.point) return false;
    const [left, top] = view.toCanvas(object.point);
    return Math.hypot(x - left, y - top) <= MARKER_REACH;
  });
}

// Change an object and ask for its mask again.
function revise(object, change) {
  session.picture.replace(withoutServer(askedAgain(object, change)));
  edited();
}

// Where nobody draws masks from points, a point is all that there is to know.
function withoutServer(object) {
  if (!session.takesPoints) object.answer = { state: "point", mask: null };
  return object;
}

function accept(...suggestions) {
  if (!suggestions.length) return;
  session.picture.add(...suggestions.map(acceptedObject));
  session.selected = session.objects.at(-1).key;
  session.pointedAt = null;
  say(suggestions.length === 1 ? "Accepted." : `${suggestions.length} accepted.`);
  edited();
}

function acceptPointedAt() {
  if (session.shown.includes(session.pointedAt)) accept(session.pointedAt);
}

function remove(object = session.object) {
  if (!object) return;
  session.picture.remove(object.key);
  say("Removed.");
  edited();
}

function undo() {
  if (!session.picture?.canUndo) return;
  session.picture.undo();
  say("Undone.");
  edited();
}

function redo() {
  if (!session.picture?.canRedo) return;
  session.picture.redo();
  say("Done again.");
  edited();
}

function giveClass() {
  const { object, category } = session;
  if (!object || object.categoryId === category) return;
  if (object.point) return revise(object, { categoryId: category });
  session.picture.replace({ ...object, categoryId: category }); // its mask is not about its class
  edited();
}

function select(key) {
  session.selected = key;
  panels.mark();
  view.redraw();
}

function selectNext(step) {
  const { objects } = session;
  if (!objects.length) return;
  const place = objects.findIndex((each) => each.key === session.selected);
  const start = place < 0 && step < 0 ? 0 : place;
  select(objects[(start + step + objects.length) % objects.length].key);
}

function pickClass(id) {
  session.category = id;
  panels.mark();
}

function edited() {
  session.isDownloaded = false;
  if (!session.object) session.selected = null;
  changed();
  askForMasks(session.picture);
}

function download() {
  const coco = toCoco(session.pictures, session.classes, session.models);
  if (!coco.annotations.length) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(coco)], { type: "application/json" }));
  link.download = "labels.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  session.isDownloaded = true;
  say(`${coco.annotations.length} objects in ${coco.images.length} pictures downloaded.`);
}

// Pointing without a mouse

function toggleCross() {
  if (!session.picture) return;
  const { width, height } = session.picture;
  session.cross = session.cross ? null : [width / 2, height / 2];
  canvas.focus();
  view.redraw();
}

function moveCross(across, down, isFine) {
  const step = (isFine ? FINE_STEP : STEP) / view.scale;
  const { width, height } = session.picture;
  const within = (value, end) => Math.floor(100 * Math.min(Math.max(value, 0), end - 0.01)) / 100;
  const [x, y] = session.cross;
  session.cross = [within(x + across * step, width), within(y + down * step, height)];
  hover(session.cross);
}

function hover(point) {
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
  if (session.cross) session.cross = null;
  else session.selected = null;
  panels.mark();
  view.redraw();
}

// Words to the person, and from everything to the screen

function say(text, isError = false) {
  const message = element("message");
  message.textContent = text;
  message.classList.toggle("error", isError);
  message.getAnimations().forEach((animation) => animation.cancel());
  if (!isError) message.animate({ opacity: [1, 1, 0] }, { duration: 4000, fill: "forwards" });
}

function complain(text) {
  say(text, true);
}

function changed() {
  panels.update();
  view.redraw();
}

const commands = {
  next: () => showNext(1),
  previous: () => showNext(-1),
  pick: (digit) => session.classes[digit - 1] && pickClass(session.classes[digit - 1].category_id),
  find: () => element("find").focus(),
  giveClass,
  mode: (value) => (document.querySelector(`[name=mode][value=${value}]`).checked = true),
  accept: acceptPointedAt,
  acceptAll: () => accept(...session.shown),
  selectNext,
  remove: () => remove(),
  undo,
  redo,
  back,
  toggleCross,
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
  if (session.cross && event.target === canvas && crossKey(event)) return event.preventDefault();
  const command = commandOf(event);
  if (!command) return;
  event.preventDefault();
  commands[command.name](command.value);
}

// Whether the cross had a use for the key.
function crossKey(event) {
  const { key } = event;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[key]) moveCross(...moves[key], event.shiftKey);
  else if (key === "Enter") click(session.cross, modeOf(event));
  return key === "Enter" || key in moves;
}

function listen() {
  for (const id of ["choose", "choose-first"]) element(id).onclick = commands.choose;
  for (const name of ["undo", "redo", "download", "fit", "help"]) element(name).onclick = commands[name];
  element("previous").onclick = commands.previous;
  element("next").onclick = commands.next;
  element("smaller").onclick = () => view.zoom(1 / 1.5);
  element("larger").onclick = () => view.zoom(1.5);
  element("accept-all").onclick = commands.acceptAll;
  element("threshold").oninput = ({ target }) => {
    session.threshold = Number(target.value);
    changed();
  };
  element("files").onchange = ({ target }) => {
    addFiles([...target.files]);
    target.value = ""; // the same file may be chosen again
  };
  document.addEventListener("keydown", onKey);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    addFiles([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => addFiles([...event.clipboardData.files]));
  element("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
  addEventListener("beforeunload", (event) => session.isDownloaded || event.preventDefault());
}

showKeys(element("key-list"));
listen();
knowModels().catch((error) => complain(error.message));
