// What may be sent late: kept in order until the server has it, and never written twice.

import { PASSING, Timers, WaybillError } from './waybill-parts.js';

// A message that has no answer by then is sent again: with its `client_id` it stays one.
const ANSWER_PATIENCE = 15_000;
// A read mark is answered only when it fails, and that takes the server no longer.
const MARK_SETTLES = 5_000;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
// No user's id.
const NOBODY = '';

/**
 * An item is `{key, frame, at, user}`, with `key` the `client_id` of a message, and `user` whose it is: nobody else sends it. Messages about one order go one after
 * the other, so that they are stored in the order in which they were written.
 *
 * Tells `on.settled(key, error?, answer?)` and `on.givenUp(frame, code, message)`; sends by `on.send(frame)`, and hears
 * by `on.fence(then)` that what was sent before has been read.
 */
export class Outbox {
  #options;
  #on;
  #items = [];
  // Who was known last: what is written while the connection is away is theirs, whoever connects next.
  #user = null;
  #isOpen = false;
  #timers = new Timers();
  #pauses = 0;
  #sent = 0;

  constructor(options, on) {
    this.#options = options;
    this.#on = on;
  }

  /** Takes what an earlier page has left. */
  async load() {
    const { storage, storageKey } = this.#options;
    if (!storage) return;
    try {
      const kept = JSON.parse((await storage.get(storageKey)) || '[]');
      const known = new Set(this.#items.map(({ key }) => key));
      const items = kept.filter((item) => item?.frame?.type && item.key && !known.has(item.key));
      // What was kept without a name may be anybody's.
      this.#items = [...items.map(({ key, frame, at, user }) => ({ key, frame, at, user: user ?? NOBODY })), ...this.#items];
    } catch (error) {
      this.#on.fault(error);
    }
  }

  add(key, frame) {
    const there = this.#items.find((item) => item.key === key);
    if (there) {
      this.#renew(there, frame);
    } else if (this.#items.length >= this.#options.outboxLimit) {
      this.#giveUp({ key, frame }, 'queue_full', `${this.#options.outboxLimit} frames wait already`);
      return;
    } else {
      this.#items.push({ key, frame, at: Date.now(), user: this.#user });
    }
    this.#keep();
    this.#pump();
  }

  // The same mark again, perhaps farther on. Ids sort by time.
  #renew(item, frame) {
    if (frame.type !== 'chat_read' || frame.up_to <= item.frame.up_to) return;
    item.frame = frame;
    delete item.ref;
  }

  /** Whose the connection is to be: what was written before anybody was known is theirs, since nobody else was here. */
  belong(user) {
    this.#user = user;
    const unnamed = this.#items.filter((item) => item.user === null);
    unnamed.forEach((item) => { item.user = user; });
    if (unnamed.length > 0) this.#keep();
  }

  open(user) {
    this.belong(user);
    this.#isOpen = true;
    this.#pauses = 0;
    this.#pump();
  }

  lost() {
    this.#timers.clearAll();
    this.#isOpen = false;
    this.#items.forEach((item) => delete item.ref);
  }

  close() {
    this.#timers.clearAll();
  }

  /** Looks at every frame that comes, before anything is dropped: a repetition is an answer, too. */
  look(frame) {
    const message = frame.type === 'chat_message' ? frame.message : undefined;
    if (message?.client_id && message.sender?.id === this.#user) {
      const item = this.#items.find(({ key }) => key === message.client_id);
      if (item) this.#settle(item, undefined, message);
    }
  }

  /** An `error` came; whether it was about something in here. */
  failed({ ref, code, message, retry_in: wait }) {
    const item = this.#items.find((one) => one.ref === ref);
    if (!item) return false;
    if (!PASSING.has(code)) {
      this.#giveUp(item, code, message);
      this.#pump();
      return true;
    }
    delete item.ref;
    this.#pauses += 1;
    const most = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#pauses);
    this.#timers.set('pause', wait ?? most * (0.5 + Math.random() / 2), () => this.#pump());
    return true;
  }

  #pump() {
    if (!this.#isOpen || this.#timers.has('pause')) return;
    const busy = new Set();
    const marks = [];
    for (const item of [...this.#items]) {
      if (Date.now() - item.at > this.#options.outboxMaxAge) {
        this.#giveUp(item, 'too_old', 'it has waited for too long');
        continue;
      }
      if (item.user !== this.#user) {
        this.#giveUp(item, 'other_user', 'another user has logged in since');
        continue;
      }
      const isChat = item.frame.type === 'chat';
      const isBusy = isChat && busy.has(item.frame.order_id);
      if (isChat) busy.add(item.frame.order_id);
      if (isBusy || item.ref) continue;
      item.ref = `queue ${++this.#sent}`;
      try {
        this.#on.send({ ...item.frame, ref: item.ref });
      } catch (error) {
        this.#giveUp(item, error.code ?? 'internal', error.message);
        continue;
      }
      if (isChat) this.#expect(item, item.ref);
      else marks.push([item, item.ref]);
    }
    if (marks.length > 0) this.#settleMarks(marks);
  }

  #expect(item, ref) {
    this.#timers.set(ref, ANSWER_PATIENCE, () => {
      if (item.ref !== ref) return;
      delete item.ref;
      this.#pump();
    });
  }

  // Nothing tells that a mark is written: it counts as such when the server has read it and does not refuse it.
  #settleMarks(marks) {
    this.#on.fence(() => this.#timers.set(`settle ${marks[0][1]}`, MARK_SETTLES, () => {
      for (const [item, ref] of marks) if (item.ref === ref) this.#settle(item);
    }));
  }

  #settle(item, error, answer) {
    this.#timers.clear(item.ref);
    this.#items = this.#items.filter((one) => one !== item);
    this.#pauses = 0;
    this.#keep();
    this.#on.settled(item.key, error, answer);
    this.#pump();
  }

  #giveUp(item, code, message) {
    if (item.ref) this.#timers.clear(item.ref);
    this.#items = this.#items.filter((one) => one !== item);
    this.#keep();
    this.#on.givenUp(item.frame, code, message);
    this.#on.settled(item.key, new WaybillError(code, message));
  }

  #keep() {
    const { storage, storageKey } = this.#options;
    if (!storage) return;
    const items = this.#items.map(({ key, frame, at, user }) => ({ key, frame, at, user }));
    try {
      Promise.resolve(storage.set(storageKey, JSON.stringify(items))).catch((error) => this.#on.fault(error));
    } catch (error) {
      this.#on.fault(error);
    }
  }
}
