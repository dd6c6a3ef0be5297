// The lists beside and below the image: classes, objects, the student's instances, images.

import { make, reveal, swatch } from "./elements.js";
import { colourOf } from "./overlay.js";
import { numLabels, showProgress } from "./progress.js";
import { Strip } from "./strip.js";

const MOST_CLASSES_AT_A_GLANCE = 9; // with more, there is a search field

const element = (id) => document.getElementById(id);

export class Panels {
  #rows = new Map(); // from an object or suggestion to its row
  #revealed = null; // key of the object whose row was last scrolled to

  // `actions` are the effects of clicks in the lists; see page.js.
  constructor(session, actions) {
    this.session = session;
    this.actions = actions;
    this.strip = new Strip(element("images"), actions.show);
  }

  showClasses() {
    const { classes } = this.session;
    const radios = classes.map((category, i) => {
      category.colour = colourOf(i);
      return this.#classRow(category, i < 9 ? String(i + 1) : "");
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

  // Rebuild all lists from the session.
  update() {
    const { image, images, objects, shown } = this.session;
    const focused = document.activeElement.closest(".rows li");
    const place = focused && [focused.parentElement, [...focused.parentElement.children].indexOf(focused)];
    this.#rows.clear();
    element("objects").replaceChildren(...objects.map((object) => this.#objectRow(object)));
    element("found").replaceChildren(...shown.map((suggestion) => this.#foundRow(suggestion)));
    if (place) [...place[0].children].at(Math.min(place[1], place[0].children.length - 1))?.firstChild.focus();
    this.#counts(objects, shown);
    this.#buttons(image, images);
    this.strip.update(images, image, numLabels, "objects");
    showProgress(this.session);
    this.mark();
  }

  // Mark the selected object, the one under the pointer and the picked class, in the rows as they are.
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
    const { state } = object.answer;
    if (state === "failed" || (state === "point" && this.session.takesPoints)) row.append(small("Ask again", () => askAgain(object)));
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

  #buttons(image, images) {
    const place = images.indexOf(image);
    element("empty").hidden = images.length > 0;
    element("name").textContent = image ? `${place + 1} of ${images.length} · ${image.name}` : "";
    element("undo").disabled = !image?.canUndo;
    element("redo").disabled = !image?.canRedo;
    element("download").disabled = !images.some((each) => numLabels(each) || each.state === "done");
    element("previous").disabled = place <= 0;
    element("next").disabled = place === images.length - 1;
  }
}

// Of an image whose labels were not read yet, the number is all that is known.

function describe({ answer, point }) {
  const { state, score, expectedIou, flags } = answer;
  if (state === "pending") return "asking …";
  if (state === "point") return "point";
  if (state === "nothing") return "no mask, kept as a point";
  if (state === "failed") return "failed, kept as a point";
  const words = score === null ? ["mask"] : [`score ${score.toFixed(2)}`];
  if (expectedIou !== null) words.push(`expected IoU ${expectedIou.toFixed(2)}`);
  if (!point && score !== null) words.push("by the student");
  return [...words, ...flags].join(" · ");
}

function small(words, onclick, title = "") {
  const button = make("button", { type: "button", className: "small", textContent: words, onclick });
  if (title) Object.assign(button, { title, ariaLabel: title });
  return button;
}
