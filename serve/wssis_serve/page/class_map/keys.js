// Keys of the page of class maps, in the form of `../keys.js`.

export const KEYS = [
  [["arrowright"], "next", null, "→", "next image"],
  [["arrowleft"], "previous", null, "←", "previous image"],
  [["d"], "finish", null, "d", "this image is done, all that it shows is ticked or drawn: go to the next open one"],
  [["shift+d"], "reopen", null, "shift + d", "this image is not done after all"],
  [["n"], "nextOpen", null, "n", "go to the next image that is open"],
  [["shift+n"], "skip", null, "shift + n", "skip this image for now"],
  [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "pick", Number, "1 – 9", "pick a class to draw; in the mode of tags, tick it"],
  [["/"], "find", null, "/", "find a class by name"],
  [["t"], "tick", null, "t", "tick the picked class as one that the image shows"],
  [["q"], "mode", "move", "q", "a drag moves the image"],
  [["a"], "mode", "tag", "a", "tags: a digit ticks its class, a drag moves the image"],
  [["w"], "mode", "draw", "w", "a drag draws a stroke of the picked class, a click a dot"],
  [["e"], "mode", "erase", "e", "a drag or click erases strokes"],
  [["["], "widen", -1, "[", "a narrower brush"],
  [["]"], "widen", 1, "]", "a wider brush"],
  [["u", "ctrl+z"], "undo", null, "u, ctrl + z", "undo the last stroke"],
  [["r", "ctrl+shift+z", "ctrl+y"], "redo", null, "r, shift + ctrl + z", "redo"],
  [["h"], "hide", null, "h", "hide or show the class map"],
  [["b"], "background", null, "b", "show or hide the background class"],
  [["+", "="], "zoom", 1.5, "+", "zoom in; or use the wheel"],
  [["-"], "zoom", 1 / 1.5, "−", "zoom out"],
  [["0"], "fit", null, "0", "fit the image"],
  [["o"], "choose", null, "o", "add images"],
  [["s", "ctrl+s"], "download", null, "s", "download strokes and tags"],
  [["?"], "help", null, "?", "this overview"],
];

export const CLICKS = [
  ["hover over a class", "show it alone in the image"],
  ["wheel", "zoom"],
  ["middle or right drag", "move the image while drawing"],
];
