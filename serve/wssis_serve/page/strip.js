// The strip of small images below the large one.

import { make } from "./elements.js";

const THUMBNAIL = 128; // pixels of the longest side, shown at half of it
const MOST_BUTTONS = 60; // of thousands of images, those around the displayed one have buttons

export class Strip {
  #small = new WeakMap(); // from an image to its small canvas
  #shown = []; // images that have buttons

  constructor(list, onPick) {
    Object.assign(this, { list, onPick });
  }

  add(image, bitmap) {
    const small = make("canvas");
    const scale = THUMBNAIL / Math.max(bitmap.width, bitmap.height);
    [small.width, small.height] = [bitmap.width * scale, bitmap.height * scale].map(Math.ceil);
    small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
    this.#small.set(image, small);
    this.#shown = []; // show it
  }

  // `countOf(image)` is a number, and `what` the word for the things counted.
  update(images, current, countOf, what) {
    const start = Math.max(0, images.indexOf(current) - MOST_BUTTONS / 2);
    const wanted = images.slice(start, start + MOST_BUTTONS);
    if (wanted.length !== this.#shown.length || wanted.some((image, i) => image !== this.#shown[i])) {
      this.list.replaceChildren(...wanted.map((image, i) => this.#line(image, start + i + 1)));
      this.#shown = wanted;
    }
    for (const [i, line] of [...this.list.children].entries()) {
      const [image, button] = [wanted[i], line.firstChild];
      const count = countOf(image);
      button.lastChild.textContent = count || "";
      button.classList.toggle("done", image.state === "done");
      button.classList.toggle("deleted", image.state === "deleted");
      button.setAttribute("aria-current", image === current);
      button.setAttribute("aria-label", `${image.name}, ${count} ${what}`);
    }
    this.#reveal(wanted.indexOf(current));
  }

  #line(image, place) {
    const button = make("button", { type: "button", title: image.name });
    const number = make("span", { className: "place", textContent: place });
    button.append(this.#small.get(image) ?? number, make("span", { className: "count" }));
    button.onclick = () => this.onPick(image);
    const line = make("li");
    line.append(button);
    return line;
  }

  // Scroll the strip, and nothing else, until the button of the displayed image is visible.
  #reveal(place) {
    const line = this.list.children[place];
    if (!line) return;
    const left = line.offsetLeft - this.list.offsetLeft;
    const least = left + line.offsetWidth - this.list.clientWidth;
    this.list.scrollLeft = Math.min(Math.max(this.list.scrollLeft, least), left);
  }
}
