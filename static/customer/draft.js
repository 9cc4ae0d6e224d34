// An order that is not placed yet: what was chosen and written so far. It is kept while other screens are looked at, and one that is
// to be as an earlier one begins with what that had.

import { fractionDigits, minorUnits } from '../app/format.js';
import { Store } from '../app/store.js';
import { uuid } from '../js/waybill-parts.js';

const NOWHERE = { address: '' };
export const NO_ITEM = { name: '', quantity: '1', price: '' };
/** Of one kind, as the server takes them. */
const MOST = 999;

/** `active` is the place that the map is asked for; `method` is null until it was chosen, or suggested. */
const begin = () => ({
  shop: null, pickup: NOWHERE, dropoff: NOWHERE, active: null, amounts: {}, own: [NO_ITEM], notes: '', method: null,
});

export class Draft {
  state = new Store(begin());
  #keyed = null;

  change(change) {
    this.state.set((draft) => ({ ...draft, ...(typeof change === 'function' ? change(draft) : change) }));
  }

  clear() {
    this.state.set(begin());
    this.#keyed = null;
  }

  /** Everything anew, but for how it is paid. */
  startOver() {
    const { method } = this.state.value;
    this.clear();
    this.change({ method });
  }

  /** One order, however often the button is pressed, the connection breaks or the screen is left; another one once `body` differs. */
  key(body) {
    const text = JSON.stringify(body);
    if (this.#keyed?.text !== text) this.#keyed = { text, key: uuid() };
    return this.#keyed.key;
  }

  /** As an earlier order was; from the shop that it was from, where there are shops. */
  again({ pickup, dropoff, items, notes, payment_method: method, price: { currency } }, shops) {
    const place = ({ latitude, longitude, address }) => ({ latitude, longitude, address });
    const isAt = (one, other) => one.latitude === other.latitude && one.longitude === other.longitude;
    const shop = shops.find((one) => isAt(one.place, pickup)) ?? null;
    const digits = fractionDigits(currency);
    const own = items.map(({ name, quantity, unit_price: each }) => ({ name, quantity: String(quantity), price: (each / 10 ** digits).toFixed(digits) }));
    this.clear();
    this.change({
      shop,
      pickup: shops.length > 0 ? shop?.place ?? NOWHERE : place(pickup),
      dropoff: place(dropoff),
      active: 'dropoff',
      amounts: Object.fromEntries(items.map(({ name, quantity }) => [name, quantity])),
      own: shops.length > 0 ? [NO_ITEM] : own,
      notes: notes ?? '',
      method,
    });
  }
}

/** Whether there is anything in it that somebody would miss. */
export const isWritten = ({ shop, pickup, dropoff, own, notes }) => [
  shop, pickup.latitude, pickup.address, dropoff.latitude, dropoff.address, notes.trim(), own.some(isBegun),
].some(Boolean);

/** A line in which nothing is written is none. */
const isBegun = ({ name, price }) => name.trim() !== '' || price.trim() !== '';

/** The items, as the server takes them once nothing is missing. */
export function itemsOf({ shop, amounts, own }, currency) {
  if (shop) return shop.menu.filter(({ name }) => amounts[name] > 0).map(({ name, price }) => ({ name, quantity: amounts[name], unit_price: price }));
  return own.filter(isBegun).map(({ name, quantity, price }) => ({ name: name.trim(), quantity: Number(quantity), unit_price: minorUnits(price, currency) }));
}

/** What is still missing before the order can be placed, in the order of the page. */
export function missingOf(draft, items) {
  const placeFaults = (name) => [
    draft[name].latitude === undefined && `${name}_point`,
    draft[name].address.trim() === '' && `${name}_words`,
  ];
  return [
    ...placeFaults('pickup'),
    items.length === 0 && 'items',
    items.some(({ name }) => name === '') && 'item_name',
    items.some(({ quantity }) => !Number.isInteger(quantity) || quantity < 1 || quantity > MOST) && 'item_quantity',
    items.some(({ unit_price: price }) => price === null) && 'item_price',
    ...placeFaults('dropoff'),
  ].filter(Boolean);
}

/** How it is paid until somebody chooses; what it comes to later changes nothing about that. */
export const suggested = (wallet) => (wallet.balance > 0 ? 'wallet' : 'cash');

/** Whether the wallet that is chosen does not hold what it comes to. */
export const isShort = ({ method }, wallet, price) => method === 'wallet' && price !== null && wallet !== null && wallet.balance < price;

