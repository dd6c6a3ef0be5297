// The lists beside and under the picture: classes, objects, the student's instances, pictures.

import { colourOf } from "./overlay.js";

const THUMBNAIL = 128; // pixels of the longest side, shown at half of it
const MOST_CLASSES_AT_A_GLANCE = 9; // with more there is a field to find one

const element = (id) => document.getElementById(id);

export class Panels {
  #rows = new Map(); // from an object or suggestion to its line
  #thumbnails = new Map(); // from a picture to its line
  #revealed = null; // key of the object whose line was last scrolled to

  // `actions` are what a click in a list does; see page.js.
  constructor(session, actions) {
    this.session = session;
    this.actions = actions;
  }

  showClasses() {
    const { classes } = this.session;
    const radios = classes.map((each, i) => {
      each.colour = colourOf(i);
      return this.#classRow(each, i < 9 ? String(i + 1) : "");
    });
    element("classes").replaceChildren(...radios);
    const find = element("find");
    find.hidden = classes.length <= MOST_CLASSES_AT_A_GLANCE;
    find.oninput = () => this.#filterClasses(find.value);
    find.onkeydown = ({ key }) => {
      const first = element("classes").querySelector("label:not([hidden]) input");
      if (key === "Enter" && first) this.actions.pickClass(Number(first.value));
      if (["Enter", "Escape"].includes(key)) this.#leaveFind(find);
    };
  }

  // Draw all lists anew from the session.
  update() {
    const { picture, pictures, objects, shown } = this.session;
    const focused = document.activeElement.closest(".rows li");
    const place = focused && [focused.parentElement, [...focused.parentElement.children].indexOf(focused)];
    this.#rows.clear();
    element("objects").replaceChildren(...objects.map((each) => this.#objectRow(each)));
    element("found").replaceChildren(...shown.map((each) => this.#foundRow(each)));
    if (place) [...place[0].children].at(Math.min(place[1], place[0].children.length - 1))?.firstChild.focus();
    this.#counts(objects, shown);
    this.#buttons(picture, pictures);
    for (const [each, line] of this.#thumbnails) {
      line.lastChild.textContent = each.objects.length || "";
      line.setAttribute("aria-current", each === picture);
      const count = `${each.objects.length} objects`;
      line.setAttribute("aria-label", `${each.name}, ${count}`);
    }
    this.mark();
  }

  // Show what is selected, pointed at and picked, without new lines.
  mark() {
    const { selected, pointedAt, category } = this.session;
    for (const [thing, row] of this.#rows) {
      row.classList.toggle("pointed", thing === pointedAt);
      if (thing.key) row.firstChild.setAttribute("aria-pressed", thing.key === selected);
    }
    this.#markClass(category);
    reveal(this.#rows.get(pointedAt));
    if (selected !== this.#revealed) reveal(this.#rows.get(this.session.object));
    this.#revealed = selected;
  }

  addPicture(picture, bitmap) {
    const button = make("button", { type: "button", title: picture.name });
    const small = make("canvas");
    const scale = THUMBNAIL / Math.max(bitmap.width, bitmap.height);
    [small.width, small.height] = [bitmap.width * scale, bitmap.height * scale].map(Math.ceil);
    small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
    button.append(small, make("span", { className: "count" }));
    button.onclick = () => this.actions.show(picture);
    const line = make("li");
    line.append(button);
    element("pictures").append(line);
    this.#thumbnails.set(picture, button);
  }

  #classRow({ category_id: id, name, colour }, key) {
    const label = make("label");
    const radio = make("input", { type: "radio", name: "class", value: id });
    radio.onchange = () => this.actions.pickClass(id);
    label.append(radio, swatch(colour), make("span", { textContent: name }), make("kbd", { textContent: key }));
    return label;
  }

  #filterClasses(text) {
    for (const label of element("classes").children) {
      label.hidden = !label.textContent.toLowerCase().includes(text.trim().toLowerCase());
    }
  }

  #leaveFind(find) {
    find.value = "";
    this.#filterClasses("");
    element("canvas").focus();
  }

  #markClass(category) {
    const radio = element("classes").querySelector(`[value="${category}"]`);
    if (!radio || radio.checked) return;
    radio.checked = true;
    reveal(radio.closest("label"));
  }

  #objectRow(object) {
    const { remove, select, askAgain } = this.actions;
    const row = this.#row(object, describe(object), () => select(object.key));
    row.firstChild.onfocus = () => select(object.key);
    if (object.answer.state === "failed") row.append(small("Ask again", () => askAgain(object)));
    row.append(small("×", () => remove(object), "Remove"));
    return row;
  }

  #foundRow(suggestion) {
    const row = this.#row(suggestion, `score ${suggestion.score.toFixed(2)}`, () => {});
    row.firstChild.ondblclick = () => this.actions.accept(suggestion);
    row.firstChild.onfocus = () => this.actions.point(suggestion);
    row.append(small("Accept", () => this.actions.accept(suggestion)));
    return row;
  }

  #row(thing, words, onclick) {
    const { name, colour } = this.session.classOf(thing.categoryId);
    const row = make("li");
    const button = make("button", { type: "button", className: "line", onclick });
    button.append(swatch(colour), make("b", { textContent: name }), make("span", { textContent: words }));
    row.append(button);
    row.onpointerenter = () => this.actions.point(thing);
    row.onpointerleave = () => this.actions.point(null);
    this.#rows.set(thing, row);
    return row;
  }

  #counts(objects, shown) {
    element("num-objects").textContent = objects.length;
    element("num-found").textContent = shown.length;
    element("no-objects").hidden = objects.length > 0;
    element("no-found").hidden = shown.length > 0;
    element("accept-all").disabled = shown.length === 0;
    element("threshold-shown").textContent = this.session.threshold.toFixed(2);
  }

  #buttons(picture, pictures) {
    const place = pictures.indexOf(picture);
    element("empty").hidden = pictures.length > 0;
    element("name").textContent = picture ? `${place + 1} of ${pictures.length} · ${picture.name}` : "";
    element("undo").disabled = !picture?.canUndo;
    element("redo").disabled = !picture?.canRedo;
    element("download").disabled = !pictures.some((each) => each.objects.length);
    element("previous").disabled = place <= 0;
    element("next").disabled = place === pictures.length - 1;
  }
}

function describe({ answer, point }) {
  const { state, score, expectedIou, alarms } = answer;
  if (state === "waiting") return "asking …";
  if (state === "point") return "point";
  if (state === "nothing") return "no mask, kept as a point";
  if (state === "failed") return "failed, kept as a point";
  const words = [`score ${score.toFixed(2)}`];
  if (expectedIou !== null) words.push(`expected IoU ${expectedIou.toFixed(2)}`);
  if (!point) words.push("student’s");
  return [...words, ...alarms].join(" · ");
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function swatch(colour) {
  const mark = make("i", { className: "swatch" });
  mark.style.background = colour;
  return mark;
}

// Scroll a list, and nothing but the list, until its line can be seen.
function reveal(line) {
  if (!line) return;
  const list = line.parentElement;
  const top = line.offsetTop - list.offsetTop;
  const lowest = top + line.offsetHeight - list.clientHeight;
  list.scrollTop = Math.min(Math.max(list.scrollTop, lowest), top);
}

function small(words, onclick, title = "") {
  const button = make("button", { type: "button", className: "small", textContent: words, onclick });
  if (title) Object.assign(button, { title, ariaLabel: title });
  return button;
}
