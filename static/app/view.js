// What all faces draw with: Preact, and markup by htm.

import { h } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export { Fragment, createContext, render } from '../vendor/preact.js';
export { useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from '../vendor/preact-hooks.js';

export const html = htm.bind(h);
