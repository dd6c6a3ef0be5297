// The image on its canvas: fit, zoom and move, and the place of the pointer on it.

const MOST_ZOOM = 40; // pixels of the screen for one of the image
const SURROUNDINGS = 2.5; // sides of a box that are visible with it
const DRAG = 6; // pixels that a pointer may move during a click
const STILL = 120; // milliseconds after which the view has stopped moving

export class View {
  scale = 1; // CSS pixels for one pixel of the image
  isMoving = false; // while a person zooms or drags
  #bitmap = null;
  #left = 0; // top left corner of the image, in CSS pixels of the canvas
  #top = 0;
  #isFitted = true;
  #isDue = false;
  #pressed = null; // where a pointer went down
  #stopping = null; // the timer that ends a movement

  // `paint(context, view)` draws over the image; `onClick(point, event)` and `onHover(point)` get
  // [x, y] in pixels of the image, or null for hovering outside it.  While `stroke.isOn()`, a drag
  // with the main button draws instead of moving the image: `stroke.start(point, event)`, then
  // `stroke.move(point)`, perhaps beyond the image, and `stroke.end()`.
  constructor(canvas, { paint, onClick, onHover, stroke = null }) {
    Object.assign(this, { canvas, paint, onClick, onHover, stroke });
    new ResizeObserver(() => this.#resized()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.#cancel());
    canvas.addEventListener("pointerleave", () => this.onHover(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // Show another image, given as an ImageBitmap, or none.
  show(bitmap) {
    this.#bitmap?.close();
    this.#bitmap = bitmap;
    this.fit();
  }

  fit() {
    this.#isFitted = true;
    if (this.#bitmap) {
      const { clientWidth, clientHeight } = this.canvas;
      const { width, height } = this.#bitmap;
      this.scale = Math.min(clientWidth / width, clientHeight / height) || 1;
      this.#left = (clientWidth - width * this.scale) / 2;
      this.#top = (clientHeight - height * this.scale) / 2;
    }
    this.redraw();
  }

  // Show a box of the image, in pixels of the image, with some of its surroundings.
  frame([x, y, width, height]) {
    this.fit();
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height) / SURROUNDINGS;
    if (!this.#bitmap || scale <= this.scale) return;
    this.scale = Math.min(MOST_ZOOM, scale);
    this.#isFitted = false;
    this.#left = clientWidth / 2 - (x + width / 2) * this.scale;
    this.#top = clientHeight / 2 - (y + height / 2) * this.scale;
    this.redraw();
  }

  // Zoom around a place of the canvas in CSS pixels, by default its middle.
  zoom(factor, place = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    if (!this.#bitmap) return;
    const [x, y] = this.#toImage(place);
    this.scale = Math.min(MOST_ZOOM, this.scale * factor);
    this.#isFitted = false;
    this.#left = place[0] - x * this.scale;
    this.#top = place[1] - y * this.scale;
    const { clientWidth, clientHeight } = this.canvas;
    const { width, height } = this.#bitmap;
    const isSmall = this.scale * width <= clientWidth && this.scale * height <= clientHeight;
    if (isSmall && factor < 1) this.fit();
    this.#moved();
  }

  #moved() {
    this.isMoving = true;
    clearTimeout(this.#stopping);
    this.#stopping = setTimeout(() => {
      this.isMoving = false;
      this.redraw();
    }, STILL);
    this.redraw();
  }

  // Draw in the next frame, once, however often this is called.
  redraw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  // A point of the image in CSS pixels of the canvas.
  toCanvas([x, y]) {
    return [x * this.scale + this.#left, y * this.scale + this.#top];
  }

  // True if a box of the image is visible.
  sees([x, y, width, height]) {
    const [left, top] = this.toCanvas([x, y]);
    const [right, bottom] = this.toCanvas([x + width, y + height]);
    return right > 0 && bottom > 0 && left < this.canvas.clientWidth && top < this.canvas.clientHeight;
  }

  #toImage([x, y]) {
    return [(x - this.#left) / this.scale, (y - this.#top) / this.scale];
  }

  // The place of an event on the image, to a hundredth of a pixel; null outside it.
  #pointOf({ offsetX, offsetY }) {
    if (!this.#bitmap) return null;
    const [x, y] = this.#toImage([offsetX, offsetY]).map((v) => Math.floor(v * 100) / 100);
    const isInside = x >= 0 && y >= 0 && x < this.#bitmap.width && y < this.#bitmap.height;
    return isInside ? [x, y] : null;
  }

  #resized() {
    const { canvas } = this;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (this.#isFitted) this.fit();
    this.#draw(); // immediately: resizing a canvas empties it
  }

  #draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.canvas.style.touchAction = this.#isFitted && !this.stroke?.isOn() ? "pan-y" : "none";
    if (!this.#bitmap) return;
    this.inImage(context);
    context.imageSmoothingEnabled = this.scale < 8; // closer, single pixels should be visible
    context.drawImage(this.#bitmap, 0, 0);
    this.paint(context, this);
  }

  // Let `context` draw in pixels of the image.
  inImage(context) {
    const ratio = devicePixelRatio;
    const scale = ratio * this.scale;
    context.setTransform(scale, 0, 0, scale, ratio * this.#left, ratio * this.#top);
  }

  // Let `context` draw in CSS pixels of the canvas.
  inCanvas(context) {
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  }

  #wheel(event) {
    event.preventDefault();
    this.zoom(1.0015 ** -event.deltaY, [event.offsetX, event.offsetY]);
  }

  #down(event) {
    if (!this.#bitmap) return;
    const point = this.#pointOf(event);
    const isStroke = Boolean(point && event.button === 0 && this.stroke?.isOn());
    this.#pressed = { x: event.offsetX, y: event.offsetY, isDrag: false, isStroke };
    this.canvas.setPointerCapture(event.pointerId);
    if (isStroke) this.stroke.start(point, event);
  }

  #move(event) {
    const pressed = this.#pressed;
    if (!pressed || pressed.isStroke) this.onHover(this.#pointOf(event));
    if (pressed?.isStroke) this.stroke.move(this.#toImage([event.offsetX, event.offsetY]));
    if (!pressed || pressed.isStroke) return;
    const [across, down] = [event.offsetX - pressed.x, event.offsetY - pressed.y];
    if (!pressed.isDrag && Math.hypot(across, down) < DRAG) return;
    this.#left += across;
    this.#top += down;
    this.#isFitted = false;
    this.#pressed = { x: event.offsetX, y: event.offsetY, isDrag: true };
    this.#moved();
  }

  #cancel() {
    if (this.#pressed?.isStroke) this.stroke.end();
    this.#pressed = null;
  }

  #up(event) {
    const pressed = this.#pressed;
    this.#pressed = null;
    if (pressed?.isStroke) return this.stroke.end();
    const point = this.#pointOf(event);
    const isMiddle = event.button === 1; // it only drags
    if (pressed && !pressed.isDrag && !isMiddle && point) this.onClick(point, event);
  }
}
