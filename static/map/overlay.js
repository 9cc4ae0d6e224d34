// One canvas over the whole map, on which everything is drawn that is not ground. It lies over the panes that Leaflet
// moves, and follows them by arithmetic, so that dots keep their size while the map zooms. It draws when something has
// changed and while something moves, and not at all while nobody can see it.

// Leaflet's way of zooming: cubic-bezier(0, 0, 0.25, 1) in so many milliseconds.
const ZOOMING = 250;

/** How far a zoom has come when `share` of its time is over. */
function zoomed(share) {
  // For this curve x = 0.75 t² (1 - t) + t³ and y = 3 t² (1 - t) + t³; t by bisection.
  let [low, high] = [0, 1];
  for (let turn = 0; turn < 20; turn += 1) {
    const t = (low + high) / 2;
    if (0.75 * t * t * (1 - t) + t ** 3 < share) low = t;
    else high = t;
  }
  return 3 * low * low * (1 - low) + low ** 3;
}

export class Overlay {
  #map;
  #canvas = document.createElement('canvas');
  #context;
  #paint;
  #zooming = null;
  #request = 0;
  #view = null;
  #off = new AbortController();
  /** How often it was drawn. */
  frames = 0;

  /** `paint(context, view, now)` draws, and tells whether something moves. */
  constructor(map, paint) {
    this.#map = map;
    this.#paint = paint;
    this.#canvas.className = 'waybill-map-overlay';
    this.#canvas.setAttribute('aria-hidden', 'true');
    this.#context = this.#canvas.getContext('2d');
    map.getContainer().append(this.#canvas);
    map.on('move', this.#moved).on('zoomanim', this.#zooms).on('resize', this.#moved);
    document.addEventListener('visibilitychange', () => this.#watched(), { signal: this.#off.signal });
    this.#resize();
  }

  /** Draws with the next frame. */
  draw() {
    if (this.#request === 0 && !document.hidden && !this.#off.signal.aborted) this.#request = requestAnimationFrame(this.#frame);
  }

  /** How the world at zoom 0 lies on the canvas at this moment. */
  view(now = performance.now()) {
    const map = this.#map;
    if (this.#zooming) {
      // Leaflet is where it will be already.
      const { from, to, start } = this.#zooming;
      const share = zoomed(Math.min(1, Math.max(0, now - start) / ZOOMING));
      const between = (key) => from[key] + (to[key] - from[key]) * share;
      return { ...this.#view, scale: between('scale'), x: between('x'), y: between('y') };
    }
    const [origin, pane] = [map.getPixelOrigin(), map.layerPointToContainerPoint([0, 0])];
    return { ...this.#view, scale: 2 ** map.getZoom(), x: pane.x - origin.x, y: pane.y - origin.y };
  }

  destroy() {
    this.#off.abort();
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    this.#map.off('move', this.#moved).off('zoomanim', this.#zooms).off('resize', this.#moved);
    this.#canvas.remove();
  }

  #frame = () => {
    this.#request = 0;
    if (this.#now(performance.now())) this.draw();
  };

  #now(now) {
    if (devicePixelRatio !== this.#view.density) this.#resize();
    const { width, height, density } = this.#view;
    this.#context.setTransform(density, 0, 0, density, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    this.frames += 1;
    return this.#paint(this.#context, this.view(now), now) || this.#zooming !== null;
  }

  // With the panes, in the same frame; a frame later dots would swim.
  #moved = () => {
    this.#zooming = null;
    this.#resize();
    if (document.hidden) return;
    if (this.#now(performance.now())) this.draw();
  };

  #zooms = ({ center, zoom }) => {
    const { x, y } = this.#map.project(center, zoom).subtract(this.#map.getSize().divideBy(2));
    this.#zooming = { from: this.view(), to: { scale: 2 ** zoom, x: -x, y: -y }, start: performance.now() };
    this.draw();
  };

  #watched() {
    if (document.hidden) {
      cancelAnimationFrame(this.#request);
      this.#request = 0;
    } else {
      this.draw();
    }
  }

  #resize() {
    const { x: width, y: height } = this.#map.getSize();
    const density = devicePixelRatio;
    if (this.#view && width === this.#view.width && height === this.#view.height && density === this.#view.density) return;
    this.#view = { width, height, density };
    this.#canvas.width = Math.round(width * density);
    this.#canvas.height = Math.round(height * density);
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
  }
}
