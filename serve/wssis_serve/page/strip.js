// The strip of small images below the large one.

import { make } from "./elements.js";

const THUMBNAIL = 128; // pixels of the longest side, shown at half of it

export class Strip {
  #buttons = new Map(); // from an image to its button

  constructor(list, onPick) {
    Object.assign(this, { list, onPick });
  }

  add(image, bitmap) {
    const button = make("button", { type: "button", title: image.name });
    const small = make("canvas");
    const scale = THUMBNAIL / Math.max(bitmap.width, bitmap.height);
    [small.width, small.height] = [bitmap.width * scale, bitmap.height * scale].map(Math.ceil);
    small.getContext("2d").drawImage(bitmap, 0, 0, small.width, small.height);
    button.append(small, make("span", { className: "count" }));
    button.onclick = () => this.onPick(image);
    const line = make("li");
    line.append(button);
    this.list.append(line);
    this.#buttons.set(image, button);
  }

  // `countOf(image)` is a number, and `what` the word for the things counted.
  update(current, countOf, what) {
    for (const [image, button] of this.#buttons) {
      const count = countOf(image);
      button.lastChild.textContent = count || "";
      button.setAttribute("aria-current", image === current);
      button.setAttribute("aria-label", `${image.name}, ${count} ${what}`);
    }
  }
}
