// What all faces draw with: Preact, and markup by htm.

import { h, options } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export { Fragment, createContext, render } from '../vendor/preact.js';
export { useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from '../vendor/preact-hooks.js';

export const html = htm.bind(h);

/** Where nobody looks, browsers draw no pictures; titles and what is read aloud change all the same, milliseconds. */
const AT_LEAST = 100;

// Once for each picture that the screen shows, however much has happened in between.
options.debounceRendering = (draw) => {
  const once = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    draw();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, AT_LEAST);
};
