// The list of classes: legend, tags to tick, and the class that is drawn.

import { make, reveal, swatch } from "../elements.js";
import { numLabels, showProgress } from "../progress.js";
import { Strip } from "../strip.js";

const MOST_CLASSES_AT_A_GLANCE = 9; // with more, there is a search field

const element = (id) => document.getElementById(id);

export class Panels {
  #rows = new Map(); // from a label to its row

  // `actions` are the effects of clicks in the lists; see page.js.
  constructor(session, actions) {
    Object.assign(this, { session, actions });
    this.strip = new Strip(element("images"), actions.show);
  }

  showClasses() {
    const { classes } = this.session;
    element("classes").replaceChildren(...classes.map((category, i) => this.#row(category, i)));
    const find = element("find");
    find.hidden = classes.length <= MOST_CLASSES_AT_A_GLANCE;
    find.oninput = () => this.#filter(find.value);
    find.onkeydown = ({ key }) => {
      const first = element("classes").querySelector("li:not([hidden])");
      if (key === "Enter" && first) this.actions.pick(Number(first.dataset.label));
      if (["Enter", "Escape"].includes(key)) this.#leave(find);
    };
  }

  // Show everything that the session knows about the image.
  update() {
    const { image, images, classes } = this.session;
    const shown = new Map((image?.answer?.classes ?? []).map((entry) => [entry.label, entry]));
    for (const category of classes) this.#fill(category, shown.get(category.label));
    element("num-classes").textContent = image?.answer ? `${shown.size} shown` : "";
    element("untick").disabled = !image?.tags.size;
    element("restricted").hidden = !image?.tags.size || !this.session.hasStudent;
    const place = images.indexOf(image);
    element("empty").hidden = images.length > 0;
    element("undo").disabled = !image?.canUndo;
    element("redo").disabled = !image?.canRedo;
    element("download").disabled = !images.some(numLabels);
    element("previous").disabled = place <= 0;
    element("next").disabled = place === images.length - 1;
    this.strip.update(images, image, numLabels, "classes");
    showProgress(this.session);
    this.mark();
  }

  // Mark the picked class and the one under the pointer.
  mark() {
    const { picked, hovered, image, images } = this.session;
    for (const [label, row] of this.#rows) {
      row.classList.toggle("pointed", label === hovered);
      row.querySelector(".line").setAttribute("aria-pressed", label === picked);
    }
    const place = images.indexOf(image);
    const at = this.session.classOf(hovered)?.name;
    const words = image ? [`${place + 1} of ${images.length}`, image.name, at] : [];
    element("name").textContent = words.filter(Boolean).join(" · ");
  }

  reveal(label) {
    reveal(this.#rows.get(label));
  }

  #row({ label, name, color }, place) {
    const { pick, tick, point } = this.actions;
    const row = make("li");
    row.dataset.label = label;
    const box = make("input", { type: "checkbox", title: `The image shows ${name}`, ariaLabel: `The image shows ${name}` });
    box.onchange = () => tick(label, box.checked);
    const line = make("button", { type: "button", className: "line", title: "Draw this class", onclick: () => pick(label) });
    line.append(swatch(color), make("b", { textContent: name }), make("span"), make("kbd", { textContent: place < 9 ? place + 1 : "" }));
    row.append(box, line);
    row.onpointerenter = () => point(label);
    row.onpointerleave = () => point(null);
    this.#rows.set(label, row);
    return row;
  }

  #fill({ label, name }, shown) {
    const { image } = this.session;
    const row = this.#rows.get(label);
    const [box, line] = row.children;
    // The server always allows the background.
    box.disabled = !image || name === "background";
    box.checked = Boolean(image?.tags.has(label) || (name === "background" && image?.tags.size));
    row.classList.toggle("absent", Boolean(image?.answer) && !shown);
    const percent = shown && (shown.share < 0.0005 ? "< 0.1" : (100 * shown.share).toFixed(1));
    const words = shown ? [`${percent} %`, shown.confidence.toFixed(2)] : [];
    if (image?.drawnLabels.has(label)) words.push("drawn");
    line.children[2].textContent = words.join(" · ");
  }

  #filter(words) {
    for (const row of element("classes").children) {
      row.hidden = !row.textContent.toLowerCase().includes(words.trim().toLowerCase());
    }
  }

  #leave(find) {
    find.value = "";
    this.#filter("");
    element("canvas").focus();
  }
}
