// What time it is on the server: offers end and positions age by its clock, and a phone's or a desk's own may be minutes off.

import { useEffect, useState } from './view.js';

/**
 * Frames say when they were written. Each shows that the server's clock had got that far, so the greatest lead seen is the best
 * one: what came late, or was told once more, only says less. Counted on from a clock that nobody sets.
 */
export class ServerClock {
  #lead = null;

  follow(client) {
    client.on('frame', ({ at }) => { if (at) this.#take(Date.parse(at)); });
  }

  #take(time) {
    const lead = time - performance.now();
    if (Number.isFinite(lead) && (this.#lead === null || lead > this.#lead)) this.#lead = lead;
  }

  /** Milliseconds, as `Date.now()` is. */
  now() {
    return this.#lead === null ? Date.now() : performance.now() + this.#lead;
  }
}

/** A page has one server, and so one of these; before anything is heard it is the page's own clock. */
export const serverClock = new ServerClock();

/** The server's time, anew every `milliseconds`. */
export function useServerNow(clock, milliseconds = 250) {
  const [now, setNow] = useState(clock.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(clock.now()), milliseconds);
    return () => clearInterval(timer);
  }, [clock, milliseconds]);
  return now;
}

/** When an id of the server's was made, milliseconds (UUIDv7, RFC 9562). */
export const timeOf = (id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
