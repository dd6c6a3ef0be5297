// The class map and the strokes over the image, as canvases of its size.

export class Layers {
  #made = new Map(); // from a layer's name to { key, canvas }

  // Draw both in pixels of the image.  `pointed` is the label to show alone, or null.
  paint(context, image, { classes, opacity, isHidden, pointed, isBackgroundShown }) {
    context.imageSmoothingEnabled = false;
    if (image.labels && !isHidden) {
      const shows = ({ label, name }) =>
        pointed === null ? isBackgroundShown || name !== "background" : label === pointed;
      const colours = coloursOf(classes, shows);
      const key = [image.labels, pointed, isBackgroundShown];
      context.globalAlpha = opacity;
      context.drawImage(this.#layer("map", key, image, image.labels, colours), 0, 0);
      context.globalAlpha = 1;
    }
    if (image.drawn) {
      const { pixels } = image.drawn;
      const colours = coloursOf(classes, () => true);
      context.drawImage(this.#layer("strokes", [image, image.version], image, pixels, colours), 0, 0);
    }
  }

  #layer(name, key, { width, height }, labels, colours) {
    const old = this.#made.get(name);
    if (old && key.every((part, i) => part === old.key[i])) return old.canvas;
    const canvas = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < words.length; i++) words[i] = colours[labels[i]];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    this.#made.set(name, { key, canvas });
    return canvas;
  }
}

// The pixel of each label, transparent for classes that `shows` refuses: 256 words of R, G, B, A.
function coloursOf(classes, shows) {
  const bytes = new Uint8Array(4 * 256);
  for (const category of classes.filter(shows)) {
    const value = parseInt(category.color.slice(1), 16);
    bytes.set([value >> 16, (value >> 8) & 255, value & 255, 255], 4 * category.label);
  }
  return new Uint32Array(bytes.buffer);
}
