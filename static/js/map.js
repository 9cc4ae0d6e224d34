// A plain drawing of where an order's things are. Metres, north up, no tiles.

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT, MARGIN] = [640, 400, 48];
const DEGREE = 111_195;
const TRAIL = 240;
// Less than this is never spread over the whole drawing, metres.
const SMALLEST = 300;

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export class CityMap {
  #svg;
  #order = null;
  #trail = [];

  constructor(svg) {
    this.#svg = svg;
  }

  /** Shows another order, from here on. */
  show(order) {
    this.#order = order;
    this.#trail = [];
    this.#redraw();
  }

  /** Shows nothing. */
  clear() {
    this.show(null);
  }

  /** Moves the dot. */
  move(point) {
    const last = this.#trail.at(-1);
    if (last && last.timestamp >= point.timestamp) return;
    this.#trail.push(point);
    if (this.#trail.length > TRAIL) this.#trail.shift();
    this.#redraw();
  }

  /** The position is nobody's business any more: the way stays, the dot goes. */
  forget() {
    this.#trail = [];
    this.#redraw();
  }

  #redraw() {
    if (!this.#order) return this.#svg.replaceChildren();
    const { pickup, dropoff } = this.#order;
    const project = projection([pickup, dropoff, ...this.#trail]);
    const parts = [];
    if (this.#trail.length > 1) {
      parts.push(draw('polyline', { class: 'trail', points: this.#trail.map((point) => project(point).join(',')).join(' ') }));
    }
    parts.push(...marker(project(pickup), 'pickup', 'Pick-up'), ...marker(project(dropoff), 'dropoff', 'Drop-off'));
    const here = this.#trail.at(-1);
    if (here) {
      const [x, y] = project(here);
      parts.push(
        draw('circle', { class: 'accuracy', cx: x, cy: y, r: Math.max(9, (here.accuracy ?? 0) * project.scale) }),
        draw('circle', { id: 'dot', class: 'dot', cx: x, cy: y, r: 7 }),
      );
    }
    parts.push(...scaleBar(project.scale));
    this.#svg.replaceChildren(...parts);
  }
}

// From degrees to the drawing, so that all points fit and keep their proportions.
function projection(points) {
  const middle = points[0].latitude;
  const metres = ({ latitude, longitude }) => [
    longitude * DEGREE * Math.cos((middle * Math.PI) / 180),
    -latitude * DEGREE,
  ];
  const all = points.map(metres);
  const range = (axis) => {
    const values = all.map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [[left, right], [top, bottom]] = [range(0), range(1)];
  const scale = Math.min(
    (WIDTH - 2 * MARGIN) / Math.max(right - left, SMALLEST),
    (HEIGHT - 2 * MARGIN) / Math.max(bottom - top, SMALLEST / 2),
  );
  const project = (point) => {
    const [x, y] = metres(point);
    return [
      +(WIDTH / 2 + (x - (left + right) / 2) * scale).toFixed(1),
      +(HEIGHT / 2 + (y - (top + bottom) / 2) * scale).toFixed(1),
    ];
  };
  project.scale = scale;
  return project;
}

function marker([x, y], kind, label) {
  const shape = kind === 'pickup'
    ? draw('rect', { class: kind, x: x - 7, y: y - 7, width: 14, height: 14, rx: 3 })
    : draw('path', { class: kind, d: `M${x} ${y - 9} l9 9 -9 9 -9 -9 Z` });
  const right = x > WIDTH / 2;
  return [shape, draw('text', { class: 'label', x: x + (right ? -14 : 14), y: y + 5, 'text-anchor': right ? 'end' : 'start' }, label)];
}

function scaleBar(scale) {
  const length = [1000, 500, 200, 100, 50].find((metres) => metres * scale < WIDTH / 3) ?? 50;
  const [x, y] = [16, HEIGHT - 16];
  return [
    draw('path', { class: 'scale', d: `M${x} ${y - 5} v5 h${(length * scale).toFixed(1)} v-5` }),
    draw('text', { class: 'label small', x, y: y - 10 }, `${length} m`),
  ];
}
