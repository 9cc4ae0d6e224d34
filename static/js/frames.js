// The frames as they come, newest first.

import { byId, clock, make } from './dom.js';

const KEPT = 200;

/** A WebSocket that tells `{sent, frame}` of all that goes over it: the client itself keeps to what matters to a page. */
export const watched = (tell) => class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener('message', ({ data }) => tell({ sent: false, frame: JSON.parse(data) }));
  }

  send(text) {
    super.send(text);
    tell({ sent: true, frame: JSON.parse(text) });
  }
};

export class FrameLog {
  #entries = [];
  #count = 0;
  #paused = false;

  constructor() {
    byId('pause').addEventListener('click', () => this.#pause(!this.#paused));
    byId('hide-locations').addEventListener('change', () => this.#redraw());
  }

  /** `{sent, frame}`. While paused, frames are kept and not shown. */
  add({ sent, frame }) {
    // A token is nobody's to look at.
    const entry = { sent, frame: frame.type === 'auth' ? { ...frame, token: '…' } : frame, at: Date.now() };
    this.#entries.unshift(entry);
    this.#entries.splice(KEPT);
    this.#count += 1;
    byId('frame-count').textContent = this.#count;
    if (this.#paused || !isShown(entry)) return;
    const list = byId('frames');
    list.prepend(item(entry));
    while (list.children.length > KEPT) list.lastChild.remove();
  }

  clear() {
    this.#entries = [];
    this.#count = 0;
    this.#pause(false);
    byId('frame-count').textContent = 0;
  }

  #pause(paused) {
    this.#paused = paused;
    byId('pause').setAttribute('aria-pressed', String(paused));
    byId('pause').textContent = paused ? 'Go on' : 'Pause';
    if (!paused) this.#redraw();
  }

  #redraw() {
    byId('frames').replaceChildren(...this.#entries.filter(isShown).map(item));
  }
}

const isShown = ({ frame }) => frame.type !== 'location' || !byId('hide-locations').checked;

function item({ sent, frame, at }) {
  const { type, ...rest } = frame;
  const way = sent ? 'sent' : 'received';
  const summary = make('summary', {},
    make('span', { className: 'muted' }, clock(at)),
    make('span', { className: 'way', title: way }, sent ? '↑' : '↓', make('span', { className: 'sr' }, way)),
    make('strong', {}, type),
    make('span', { className: 'muted json' }, JSON.stringify(rest)));
  const details = make('details', {}, summary);
  details.addEventListener('toggle', () => {
    if (details.open && !details.querySelector('pre')) details.append(make('pre', {}, JSON.stringify(frame, null, 2)));
  });
  const entry = make('li', {}, details);
  entry.dataset.type = type;
  return entry;
}
