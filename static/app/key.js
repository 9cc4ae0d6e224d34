// Idempotency keys: one for each thing that somebody wants done, however often it is asked for.

import { uuid } from '../js/waybill-parts.js';
import { useMemo } from './view.js';

/** A key that is the same as long as `body` says the same. */
export const useKey = (body) => useMemo(uuid, [JSON.stringify(body)]);
