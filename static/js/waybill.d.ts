import type { ClientFrames, EventEnvelope, MessageView, PublishedFrame, ServerFrames, Since } from './waybill-frames.js';

export * from './waybill-frames.js';

/** Why something was refused or given up. */
export class WaybillError extends Error {
  constructor(code: string, message?: string);
  /** Stable: one of the server's codes, or one of the client's own (see README.md). */
  readonly code: string;
}

export interface Fault {
  code: string;
  message: string;
}

/** How the connection is. `error` is what ended the one before. */
export type State =
  | { name: 'connecting' }
  | { name: 'open'; user: string }
  /** `retryAt` is in milliseconds, as `Date.now()` is. */
  | { name: 'waiting'; retryAt: number; attempt: number; error: Fault }
  | { name: 'offline'; error?: Fault }
  | { name: 'closed'; reason: 'new' | 'done' | 'unauthorized' | 'forbidden' | 'replaced'; error?: Fault };

/** Any frame, of types that are not known here, too. */
export type AnyFrame = ServerFrames[keyof ServerFrames] | PublishedFrame;

/** Frames that hold what a group stands at. */
export type Snapshot = Extract<ServerFrames[keyof ServerFrames], { position: Since }>;

type Heard = Omit<ServerFrames, 'resync' | 'subscribed' | 'unsubscribed' | 'pong' | 'authenticated' | 'token_expiring'>;

export interface Resync {
  group: string;
  position: Since;
}

export interface SubscriptionEvents extends Omit<Heard, 'welcome' | 'error'> {
  /** Every frame of the group. */
  frame: AnyFrame;
  /** What the group stands at. It replaces what was known before. */
  snapshot: Snapshot;
  /** What happened in between may be in the snapshot that follows, and nowhere else. */
  resync: Resync;
  /** Nothing follows: an error where the server has ended it, null where the application has. */
  ended: WaybillError | null;
}

export interface ClientEvents extends Heard {
  state: State;
  frame: AnyFrame;
  snapshot: Snapshot;
  resync: Resync;
  ended: Fault & { group: string };
  /** Something that was to be sent late will not be sent. */
  given_up: Fault & { frame: ClientFrames[keyof ClientFrames] };
  /** The storage has failed, or a frame could not be sent. */
  fault: WaybillError;
}

type Off = () => void;

/** `on` of types that other back ends publish. */
interface Emitter<Events> {
  on<Type extends keyof Events>(type: Type, listener: (value: Events[Type]) => unknown): Off;
  on(type: string, listener: (frame: PublishedFrame & Partial<EventEnvelope>) => unknown): Off;
  once<Type extends keyof Events>(type: Type, listener: (value: Events[Type]) => unknown): Off;
  once(type: string, listener: (frame: PublishedFrame & Partial<EventEnvelope>) => unknown): Off;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  off(type: string, listener: (value: any) => unknown): void;
  iterate<Type extends keyof Events>(type: Type): AsyncGenerator<Events[Type], void>;
  iterate(type?: string): AsyncGenerator<AnyFrame, void>;
}

export interface Subscription extends Emitter<SubscriptionEvents>, AsyncIterable<AnyFrame> {
  readonly group: string;
  /** Where this one is; null before the server has said so. */
  readonly position: Since | null;
  readonly isEnded: boolean;
  /** Rejects with a `WaybillError` where the server does not let the user in. */
  readonly ready: Promise<void>;
  close(): void;
}

/** Such as `localStorage` behind two functions. */
export interface QueueStorage {
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  set(key: string, value: string): unknown;
}

export interface Options {
  /**
   * Gives an access token. With `fresh`, the one that it gave before is not taken any more, or ends soon. Rejecting with an
   * error whose `status` is 401 or 403, or whose `code` is `unauthorized`, ends the connection; any other way it is asked
   * again. It is never called before the call before has ended.
   */
  token: (options: { fresh: boolean }) => string | Promise<string>;
  /** `https://…` or `wss://…`; without a path, `/ws/`. Default: the page's own host. */
  url?: string | URL;
  /** Where there is none: Node before 22 without `--experimental-websocket`. */
  WebSocket?: unknown;
  /** Tabs of this origin with the same value share a socket: the user's id, say. Default: they do not. */
  share?: string;
  /** Whether notifications are acknowledged once their listeners are done with them. Default: `auto`. */
  ack?: 'auto' | 'manual';
  /** Keeps the queue across reloads. Default: it is gone with the page. */
  storage?: QueueStorage;
  /** Default: `waybill.outbox`. */
  storageKey?: string;
  /** How many messages and marks may wait. Default: 200. */
  outboxLimit?: number;
  /** How long they may, in milliseconds. Default: a day. */
  outboxMaxAge?: number;
  /** The bounds of the random waits, in milliseconds. Default: 1,000 and 30,000. */
  backoff?: { first: number; longest: number };
  /** How fast to send; twice as many at once. Below what the server takes. Default: 40. */
  framesPerSecond?: number;
  /** What to ask whether a token is taken; `null` not to ask. Default: the global one. */
  fetch?: typeof fetch | null;
  /** Where the REST interface is. Default: on the host of `url`. */
  api?: string;
  /** What `online`, `offline`, `pageshow` and `visibilitychange` come from. Default: `globalThis`. */
  host?: object;
  /** Default: `navigator.locks`. */
  locks?: unknown;
  /** Default: the global one. */
  BroadcastChannel?: unknown;
}

export class WaybillClient implements Emitter<ClientEvents> {
  constructor(options: Options);
  readonly state: State;
  readonly userId: string | null;
  /** Whether this tab has the socket. */
  readonly isLeader: boolean;
  connect(): void;
  disconnect(): void;
  close(): void;
  subscribe(group: string, options?: { since?: Since | null }): Subscription;
  send(frame: ClientFrames['location' | 'typing' | 'mark_all_read']): boolean;
  request(frame: ClientFrames['accept' | 'decline'], options?: { timeout?: number }): Promise<ServerFrames['assignment_closed']>;
  request(frame: ClientFrames['ping'], options?: { timeout?: number }): Promise<ServerFrames['pong']>;
  chat(orderId: string, text: string, options?: { clientId?: string }): Promise<MessageView>;
  markRead(notificationId: string): Promise<void>;
  chatRead(orderId: string, upTo: string): Promise<void>;
  ack(...eventIds: string[]): void;
  wake(): void;
  on: Emitter<ClientEvents>['on'];
  once: Emitter<ClientEvents>['once'];
  off: Emitter<ClientEvents>['off'];
  iterate: Emitter<ClientEvents>['iterate'];
}

/** What a token says of itself, unchecked. */
export function tokenClaims(token: string): Record<string, unknown>;
