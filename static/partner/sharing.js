// Where the partner is: measured at the pace that the server asks for, sent at once, or kept until that can be done.

import { Store } from '../app/store.js';
import { Positions } from './positions.js';
import { isUnderWay } from './queue.js';

/** Until the server has said otherwise, seconds. */
const PACE = 15;
/** What was measured before is of no use. */
const FRESH = { enableHighAccuracy: true, maximumAge: 0 };
/** How long a device may look for its position when asked, milliseconds. */
const PATIENCE = 8000;
/** Whoever was slower than this stood, metres a second; and is taken to stand there for so long, milliseconds. */
const [WALK, STILL] = [0.7, 600_000];
/** What went out this long before a connection broke may not have arrived, milliseconds. */
const UNSURE = 60_000;
const BATCH = 100;
const RETRY = 30_000;
const [DENIED, TIMEOUT] = [1, 3];

const sampleOf = ({ coords, timestamp }) => {
  // NaN is how some devices say that they do not know; null goes as well.
  const known = (value) => (Number.isFinite(value) ? value : null);
  return {
    latitude: coords.latitude, longitude: coords.longitude, accuracy: known(coords.accuracy), heading: known(coords.heading),
    speed: known(coords.speed), timestamp: new Date(timestamp).toISOString(),
  };
};

export class Sharing {
  /**
   * `kind`: `off` (not needed now), `ask` (the partner has not been asked), `waiting` (the browser asks), `denied`, `insecure`
   * and `impossible` (no page like this gets one), `searching`, `lost` (no signal), `on`.
   */
  state = new Store({ kind: 'off', pace: PACE });
  /** The last position that was measured, or null. */
  here = new Store(null);
  /** How many positions wait. */
  kept = new Store(0);
  #session;
  #client;
  #queue;
  #positions;
  #watch = null;
  #timer = 0;
  #retry = 0;
  #fix = null;
  #takenAt = 0;
  #taken = null;
  #movedAt = 0;
  #isAsking = false;
  #sent = [];
  #isAllowed = false;
  #isSending = false;
  #battery = null;
  #offs;

  constructor({ session, client, queue, availability }) {
    this.#session = session;
    this.#client = client;
    this.#queue = queue;
    this.#positions = new Positions(session.user.value.id);
    const look = () => this.#look(availability.state.value.online === true || queue.state.value.orders.length > 0);
    // Whoever sets off is expected from then on: not from the next turn.
    let [known, isFirst] = ['', true];
    const setOff = () => {
      const now = queue.state.value.orders.filter(isUnderWay).map(({ id }) => id).sort().join();
      if (now !== known && now !== '' && !isFirst) {
        this.#takenAt = 0;
        if (this.#watch !== null) this.#ask(PATIENCE / 4);
      }
      [known, isFirst] = [now, false];
    };
    this.#offs = [
      availability.state.watch(look),
      queue.state.watch(() => { look(); setOff(); }),
      queue.group.on('cadence', ({ interval }) => this.#setPace(interval)),
      client.on('state', (state) => this.#connected(state.name === 'open')),
    ];
    this.#retry = setInterval(() => { if (navigator.onLine) this.#sendKept(); }, RETRY);
    navigator.getBattery?.().then((battery) => { this.#battery = battery; }, () => {});
    this.#count();
  }

  end() {
    this.#stop();
    clearInterval(this.#retry);
    this.#offs.forEach((off) => off());
  }

  /** Whether the browser would ask the partner. */
  async isUnasked() {
    if (!window.isSecureContext || !navigator.geolocation || this.#watch !== null) return false;
    return (await permission()) === 'prompt' && !this.#isAllowed;
  }

  /** The partner has agreed: the browser may ask. */
  allow() {
    this.#isAllowed = true;
    this.#begin();
  }

  async #look(isWanted) {
    if (!isWanted) {
      this.#stop();
      return;
    }
    if (this.#watch !== null) return;
    if (!navigator.geolocation) this.#say('impossible');
    else if (!window.isSecureContext) this.#say('insecure');
    else if (this.#isAllowed || (await permission()) !== 'prompt') this.#begin();
    else this.#say('ask');
  }

  #say(kind) {
    this.state.set((state) => (state.kind === kind ? state : { ...state, kind }));
  }

  #begin() {
    if (this.#watch !== null || !navigator.geolocation) return;
    this.#say('waiting');
    permission().then((how) => { if (how === 'granted' && this.state.value.kind === 'waiting') this.#say('searching'); });
    const measured = (fix) => {
      this.#movedAt = Date.now();
      this.#measured(fix);
    };
    this.#watch = navigator.geolocation.watchPosition(measured, (error) => this.#failed(error), FRESH);
    this.#arm();
  }

  #stop() {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
    this.#fix = null;
    clearTimeout(this.#timer);
    this.#say('off');
  }

  #failed({ code }) {
    if (this.#watch === null) return;
    if (code !== DENIED) {
      this.#say('lost');
      return;
    }
    navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
    clearTimeout(this.#timer);
    this.#say('denied');
    watchPermission(() => { if (this.state.value.kind === 'denied') this.#begin(); });
  }

  #measured(fix) {
    if (this.#watch === null) return;
    this.#fix = fix;
    this.here.set(sampleOf(fix));
    this.#say('on');
    if (Date.now() - this.#takenAt >= this.state.value.pace * 1000) this.#take();
  }

  #setPace(seconds) {
    if (seconds === this.state.value.pace) return;
    this.state.set((state) => ({ ...state, pace: seconds }));
    this.#arm();
  }

  get #wait() {
    return Math.max(0, this.#takenAt + this.state.value.pace * 1000 - Date.now());
  }

  /** Looks shortly before the next one is due whether there is a fresh one, and asks for it where there is not. */
  #arm() {
    clearTimeout(this.#timer);
    if (this.#watch === null) return;
    const lead = Math.min(PATIENCE, this.state.value.pace * 500);
    this.#timer = setTimeout(() => {
      if (this.#fix && Date.now() - this.#fix.timestamp < lead) this.#timer = setTimeout(() => this.#take(), this.#wait);
      else this.#ask(lead);
    }, Math.max(0, this.#wait - lead));
  }

  /** Of who stands still nothing is told by itself, and yet the server has to hear. */
  #ask(timeout) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const answered = (work) => {
      this.#isAsking = false;
      if (this.#watch === null) return;
      const before = this.#fix;
      work();
      if (this.#watch === null) return;
      clearTimeout(this.#timer);
      if (this.#fix === before) this.#timer = setTimeout(() => this.#arm(), PATIENCE);
      else if (this.#fix.timestamp === this.#taken) this.#arm();
      else this.#timer = setTimeout(() => this.#take(), this.#wait);
    };
    // Some answer with what they measured last, and its time: it holds now, or they would not.
    const now = ({ coords, timestamp }) => this.#measured({ coords, timestamp: Math.max(timestamp, Date.now()) });
    const failed = (error) => {
      if (error.code === TIMEOUT && this.#isStanding) now(this.#fix);
      else this.#failed(error);
    };
    navigator.geolocation.getCurrentPosition((fix) => answered(() => now(fix)), (error) => answered(() => failed(error)), { ...FRESH, timeout });
  }

  /** No news from a device that was standing, and has not said that it lost its way, is that it stands there still. */
  get #isStanding() {
    return this.#fix !== null && this.state.value.kind === 'on' && !(this.#fix.coords.speed > WALK) && Date.now() - this.#movedAt < STILL;
  }

  #take() {
    this.#takenAt = Date.now();
    this.#taken = this.#fix.timestamp;
    const underWay = this.#queue.state.value.orders.filter(isUnderWay);
    const sample = { ...sampleOf(this.#fix), battery: this.#battery?.level ?? null };
    // With several under way it belongs to all of them, and names none.
    if (underWay.length === 1) sample.order_id = underWay[0].id;
    this.#arm();
    if (this.#client.send({ type: 'location', ...sample, sent_at: new Date().toISOString() })) {
      this.#sent = [...this.#sent.filter(({ at }) => Date.now() - at < UNSURE), { at: Date.now(), sample }];
    } else {
      this.#keep([sample]);
    }
  }

  #connected(isOpen) {
    if (isOpen) {
      this.#sendKept();
      return;
    }
    const unsure = this.#sent.filter(({ at }) => Date.now() - at < UNSURE).map(({ sample }) => sample);
    this.#sent = [];
    // Sent twice they are one: a sample belongs to its time.
    if (unsure.length > 0) this.#keep(unsure);
  }

  async #keep(samples) {
    await this.#positions.add(samples);
    await this.#count();
    if (this.#client.state.name === 'open') this.#sendKept();
  }

  async #count() {
    this.kept.set(await this.#positions.count());
  }

  /** In batches, the newest first: where somebody is now is worth the most. */
  async #sendKept() {
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      for (let batch = await this.#positions.newest(BATCH); batch.length > 0; batch = await this.#positions.newest(BATCH)) {
        const key = `positions ${batch[0].timestamp} ${batch.at(-1).timestamp} ${batch.length}`;
        try {
          await this.#session.post('/partner/locations', { points: batch, sent_at: new Date().toISOString() }, { key });
        } catch (error) {
          // What is refused for good would be so the next time, too.
          if (![400, 409, 413, 422].includes(error.status)) throw error;
        }
        await this.#positions.remove(batch);
        await this.#count();
      }
    } catch {
      // They wait for the next try.
    } finally {
      this.#isSending = false;
    }
  }
}

/** `granted`, `denied` or `prompt`; where the browser does not tell, it would have to ask. */
async function permission() {
  const status = await navigator.permissions?.query({ name: 'geolocation' }).catch(() => null);
  return status?.state ?? 'prompt';
}

async function watchPermission(onGranted) {
  const status = await navigator.permissions?.query({ name: 'geolocation' }).catch(() => null);
  status?.addEventListener('change', () => { if (status.state !== 'denied') onGranted(); }, { once: true });
}
