// The state of the page: images, the selection, and what is under the pointer.

export const session = {
  models: [],
  classes: [],
  takesPoints: false,
  images: [],
  queue: null, // the images that the operator offers, see queue.js
  image: null, // the displayed one
  category: null, // id of the class of the next point
  selected: null, // key of an object
  pointedAt: null, // the suggestion or the object under the pointer
  threshold: 0.3,
  pointer: null, // [x, y] of the pointer over the image
  crosshair: null, // [x, y] of the keyboard's pointer, while it is used
  areMasksHidden: false,
  isDownloaded: true,

  get shown() {
    return this.image?.open(this.threshold) ?? [];
  },
  get objects() {
    return this.image?.objects ?? [];
  },
  get object() {
    return this.objects.find((object) => object.key === this.selected);
  },
  // True if a student suggests objects, now or in a file: in a review none does.
  get findsObjects() {
    return Boolean(this.queue?.hasSuggestions) || (this.models.length > 0 && !this.queue?.isReview);
  },
  // The colour of what is drawn next.
  get colour() {
    return this.classOf(this.object?.categoryId ?? this.category)?.colour ?? "#ffffff";
  },
  classOf(id) {
    return this.classes.find((category) => category.category_id === id);
  },
};
