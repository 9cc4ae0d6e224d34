// Made by tests/js/frame-types.mjs from the AsyncAPI document of the server. Do not edit.

/** What somebody did. */
export type ActivityView = { action: string; at: Timestamp; id: EventId; name?: string | null; order_id?: OrderId | null; role?: Role | null; user_id?: UserId | null };

/** That an admin looks after an order, so that no two do. */
export type ClaimView = { at: Timestamp; name: string; order_id: OrderId; until: Timestamp; user_id: UserId };

/** An ISO 4217 currency code: three upper-case letters. */
export type Currency = string;

/** A person as the other side of an order sees it: no contact details. */
export type CustomerView = { id: UserId; name: string };

/** The whole operation at a glance. */
export type DashboardView = { claims: ClaimView[]; exceptions: ExceptionView[]; health: HealthView; last_day: LastDayView; online: UserId[]; orders: Record<string, number>; partners: PartnerCounts; recent: OrderView[]; sessions: number; users_online: number; viewing: ViewingView[] };

/** The database, as seen from an instance. */
export type DatabaseHealth = { kind: DatabaseKind; latency?: LatencyView | null; ok: boolean; queue: number };

/** Which database. */
export type DatabaseKind = 'sqlite' | 'postgres';

/** What a partner has earned. */
export type EarningsBalance = { balance: number; currency: Currency; today: number; week: number };

/** A movement of money, as one account saw it. */
export type EntryView = { amount: number; balance_after: number; created_at: Timestamp; id: TransactionId; kind: MovementKind; order_id?: OrderId | null; transfer_id?: TransferId | null };

/** What comes with an ephemeral frame, beside its body: it has no number and is not repeated. */
export type EphemeralEnvelope = { at: Timestamp; group: GroupKey; id: EventId };

/** Where an ETA comes from. */
export type EtaSource = 'estimate' | 'routing';

/** When the partner of an order is expected. */
export type EtaView = { age: number; arrives_at: Timestamp; distance: number; freshness: Freshness; late_risk: LateRisk; promised_at: Timestamp; seconds: number; source: EtaSource; to: Leg };

/** What comes with an event, beside its body: `envelop` writes it. */
export type EventEnvelope = { at: Timestamp; epoch: string; group: GroupKey; id: EventId; seq: number };

/** An event, for de-duplication on the client. */
export type EventId = string;

/** What is wrong. */
export type ExceptionKind = 'unconfirmed' | 'no_partner' | 'stuck' | 'late' | 'silent' | 'failed';

/** An order that somebody should look at. */
export type ExceptionView = { claim?: ClaimView | null; customer: CustomerView; kind: ExceptionKind; order_id: OrderId; partner?: PartnerView | null; seconds: number; since: Timestamp; status: OrderStatus };

/** Whether a position can be taken for the present one. */
export type Freshness = 'live' | 'stale' | 'lost';

/** A group: `user_{id}`, `partner_{id}`, `order_{id}` or `admin_dashboard`. */
export type GroupKey = string;

/** All instances together. */
export type HealthTotal = { connections: number; cpu: number; deliveries_per_second: number; groups: number; instances: number; memory: number; outbox_waiting: number; users: number };

/** How the instances are. */
export type HealthView = { at: Timestamp; instances: InstanceHealth[]; total: HealthTotal };

/** How one instance is. Rates and latencies are of the last 2 seconds. */
export type InstanceHealth = { connections: number; cpu?: number | null; database: DatabaseHealth; deliveries_per_second: number; groups: number; id: InstanceId; latency?: LatencyView | null; memory?: number | null; name: string; outbox_waiting: number; publishes: boolean; redis: RedisHealth; uptime: number; users: number; version: string };

/** One run of one server. */
export type InstanceId = string;

/** One line of an order. */
export type Item = { name: string; quantity: number; unit_price: number };

/** What became of orders in the last 24 hours: each is counted for each of these steps that it took then. */
export type LastDayView = { cancelled: number; completed: number; failed: number; placed: number };

/** How likely it is that a promise will be broken. */
export type LateRisk = 'none' | 'possible' | 'likely';

/** Milliseconds, to within a factor of two: from the buckets of a histogram. */
export type LatencyView = { p50: number; p99: number };

/** What the partner is on the way to. */
export type Leg = 'pickup' | 'dropoff';

/** Where a partner's device was. */
export type LocationSample = { accuracy?: number | null; battery?: number | null; heading?: number | null; latitude: number; longitude: number; order_id?: OrderId | null; speed?: number | null; timestamp: Timestamp };

/** Where the partner of an order was last seen. */
export type LocationView = { accuracy?: number | null; age: number; freshness: Freshness; heading?: number | null; latitude: number; longitude: number; speed?: number | null; timestamp: Timestamp };

/** What somebody has written about an order. */
export type MessageId = string;

/** A message about an order. */
export type MessageView = { client_id?: string | null; created_at: Timestamp; id: MessageId; masked: boolean; order_id: OrderId; partner_id: PartnerId; sender: SenderView; text: string };

/** An amount in minor units (cents, say) of a currency. */
export type Money = { amount: number; currency: Currency };

/** Why money moved. */
export type MovementKind = 'top_up' | 'authorisation' | 'capture' | 'release' | 'cancellation_fee' | 'cash_order' | 'debt' | 'refund' | 'pay_out' | 'pay_out_return';

/** A notification in somebody's inbox. */
export type NotificationId = string;

/** A notification in the inbox. */
export type NotificationView = { created_at: Timestamp; data: Record<string, unknown>; id: NotificationId; message: string; read_at?: Timestamp | null; title: string; type: string };

/** An order that is offered to a partner. */
export type OfferId = string;

/** Where an offer stands. */
export type OfferStatus = 'open' | 'accepted' | 'declined' | 'expired' | 'withdrawn' | 'taken';

/** An order that is offered to a partner. */
export type OfferView = { earnings: Money; expires_at: Timestamp; id: OfferId; order: OrderView; pickup_distance: number };

/** An order. */
export type OrderId = string;

/** Where an order stands. */
export type OrderStatus = 'pending' | 'confirmed' | 'assigned' | 'en_route' | 'arrived' | 'picked_up' | 'in_transit' | 'delivered' | 'completed' | 'cancelled' | 'failed';

/** What changed about an order. */
export type OrderUpdate = { order_id: OrderId; partner?: PartnerView | null; previous_status: OrderStatus; reason?: string | null; status: OrderStatus; updated_at: Timestamp; version: number };

/** An order, for one viewer. */
export type OrderView = { code?: string | null; created_at: Timestamp; customer: CustomerView; dropoff: Place; earnings?: Money | null; eta?: EtaView | null; id: OrderId; items: Item[]; location?: LocationView | null; notes?: string | null; partner?: PartnerView | null; payment_method: PaymentMethod; pickup: Place; price: Money; status: OrderStatus; updated_at: Timestamp; version: number };

/** Partners who want offers. */
export type PartnerCounts = { busy: number; idle: number; online: number };

/** The partner profile of a user whose role is `partner`. */
export type PartnerId = string;

/** Where a partner was last seen. */
export type PartnerPositionView = { accuracy?: number | null; latitude: number; longitude: number; partner_id: PartnerId; timestamp: Timestamp };

/** A partner as the other side of an order sees it: no contact details. */
export type PartnerView = { id: PartnerId; name: string };

/** What somebody is to one particular order. */
export type Party = 'customer' | 'partner' | 'admin' | 'system';

/** How an order is paid. */
export type PaymentMethod = 'cash' | 'wallet';

/** How the payment of an order stands. */
export type PaymentStatus = 'authorised' | 'captured' | 'released' | 'refunded';

/** What became of the price of an order. */
export type PaymentView = { amount: Money; captured: Money; created_at: Timestamp; customer_id: UserId; method: PaymentMethod; order_id: OrderId; refunded: Money; status: PaymentStatus; updated_at: Timestamp };

/** A position with the address that people know it by. */
export type Place = { address: string; latitude: number; longitude: number };

/** A user who is listening to a group. */
export type PresentView = { role: Role; user_id: UserId };

/** What became of an order in a partner's queue, which holds what is assigned to the partner and not delivered yet. */
export type QueueAction = 'added' | 'changed' | 'removed';

/** Redis, as seen from an instance. */
export type RedisHealth = 'up' | 'down' | 'none';

/** What a user is allowed to be. */
export type Role = 'customer' | 'partner' | 'admin';

/** Who wrote a message: no contact details. */
export type SenderView = { id: UserId; name: string; party: Party };

/** One WebSocket session. */
export type SessionId = string;

/** A position in a group's stream of events. */
export type Since = { epoch: string; seq: number };

/** What comes with a snapshot, beside its body. */
export type SnapshotEnvelope = { at: Timestamp; group: GroupKey; id: EventId; position: Since };

/** A point in time, UTC, to the millisecond. As text: RFC 3339, `2026-01-02T03:04:05.678Z`. */
export type Timestamp = string;

/** A position in an order's trail. */
export type TrailPointView = { accuracy?: number | null; heading?: number | null; latitude: number; longitude: number; speed?: number | null; timestamp: Timestamp };

/** One movement in the ledger: all of its entries. */
export type TransactionId = string;

/** Money on its way from or to the payment provider. */
export type TransferId = string;

/** A person with an account, whatever the role. */
export type UserId = string;

/** Which order an admin has on the screen. */
export type ViewingView = { name: string; order_id?: OrderId | null; user_id: UserId };

/** What a wallet holds. */
export type WalletBalance = { balance: number; currency: Currency };

/** What the server sends, by `type`. */
export interface ServerFrames {
  /** Somebody did something. */
  activity: { activity: ActivityView; type: 'activity' } & EventEnvelope;
  /** An order is offered: accept or decline it before `expires_at`. */
  assignment: { offer: OfferView; type: 'assignment' } & EventEnvelope;
  /** An offer can be accepted no longer. */
  assignment_closed: { offer_id: OfferId; reason: OfferStatus; ref?: string | null; type: 'assignment_closed' } & (EventEnvelope | EphemeralEnvelope);
  /** A fresh token was taken. */
  authenticated: { expires_at: Timestamp; ref?: string | null; type: 'authenticated' };
  /** How often the partner's app should send its location. Told to who joins, when it changes, and once a minute while samples come. */
  cadence: { interval: number; type: 'cadence' } & EphemeralEnvelope;
  /** The order can be written about no longer. */
  chat_closed: { order_id: OrderId; type: 'chat_closed' } & EventEnvelope;
  /** Somebody wrote about the order. It answers `chat`; a session that writes without listening to the order, or that sends again what it has sent before, gets it by itself and without a number. */
  chat_message: { message: MessageView; type: 'chat_message' } & (EventEnvelope | EphemeralEnvelope);
  /** Somebody has read what was written about the order. */
  chat_read: { type: 'chat_read'; up_to: MessageId; user_id: UserId } & EventEnvelope;
  /** An admin began or ceased to look after an order. */
  claim: { by: UserId; claim?: ClaimView | null; order_id: OrderId; type: 'claim' } & EventEnvelope;
  /** Of `admin_dashboard`: the whole operation at a glance. */
  dashboard: { dashboard: DashboardView; type: 'dashboard' } & SnapshotEnvelope;
  /** Money moved in or out of the partner's earnings. */
  earnings_update: { earnings: EarningsBalance; entry: EntryView; type: 'earnings_update' } & EventEnvelope;
  /** A frame was refused. */
  error: { code: string; message: string; ref?: string | null; type: 'error' };
  /** When the partner of an order is expected. Told when that moved by 30 s or more, or is another kind of news. */
  eta: { eta: EtaView; type: 'eta' } & EphemeralEnvelope;
  /** Orders that somebody should look at: all of them, the oldest trouble first, at most 200. When they change, and at least every 10 s. */
  exceptions: { exceptions: ExceptionView[]; type: 'exceptions' } & EphemeralEnvelope;
  /** How the instances are; every 2 s. */
  health: { health: HealthView; type: 'health' } & EphemeralEnvelope;
  /** Where the partner of an order is. */
  location: LocationView & { type: 'location' } & EphemeralEnvelope;
  /** A notification came into the inbox. */
  notification: { notification: NotificationView; type: 'notification' } & EventEnvelope;
  /** An order was placed. */
  order_created: { order: OrderView; type: 'order_created' } & EventEnvelope;
  /** Of `order_{id}`: the order as `GET /api/v1/orders/{id}` gives it. */
  order_status: { order: OrderView; type: 'order_status' } & SnapshotEnvelope;
  /** An order took a step. */
  order_update: { type: 'order_update'; update: OrderUpdate } & EventEnvelope;
  /** The payment of an order was made, or took a step. */
  payment: { payment: PaymentView; type: 'payment' } & EventEnvelope;
  /** Answers `ping`. */
  pong: { ref?: string | null; type: 'pong' };
  /** Where partners are who have moved; once a second at most, and all of them every 30 s. `GET /api/v1/admin/positions` tells where to begin. */
  positions: { positions: PartnerPositionView[]; type: 'positions' } & EphemeralEnvelope;
  /** Who is listening to the group: `members` once, on joining, and then who `joined` or `left`. Told in groups of up to 32 sessions. */
  presence: { count: number; joined?: PresentView | null; left?: PresentView | null; members?: PresentView[] | null; type: 'presence' } & EphemeralEnvelope;
  /** Of `partner_{id}`: what there is to do. */
  queue: { offers: OfferView[]; orders: OrderView[]; type: 'queue' } & SnapshotEnvelope;
  /** A partner's queue changed. */
  queue_update: { action: QueueAction; order?: OrderView | null; order_id: OrderId; type: 'queue_update' } & EventEnvelope;
  /** A subscription goes on under another numbering, without the client having asked: the position that it had means nothing any more. A snapshot follows. */
  resync: { epoch: string; group: GroupKey; seq: number; type: 'resync' };
  /** A subscription stands. */
  subscribed: { epoch: string; group: GroupKey; recovered: boolean; ref?: string | null; seq: number; type: 'subscribed' };
  /** The token ends soon: send `auth`. */
  token_expiring: { expires_at: Timestamp; type: 'token_expiring' };
  /** Where the partner of an order was: samples that came late, after an offline spell say. They fill the trail, and never move the partner back. */
  trail: { points: TrailPointView[]; type: 'trail' } & EventEnvelope;
  /** Somebody is writing about the order. Nothing tells that it has ended: show it for a few seconds. */
  typing: { type: 'typing'; user_id: UserId } & EphemeralEnvelope;
  /** How many notifications are unread. A state: only the latest counts. */
  unread_count: { count: number; type: 'unread_count' } & (EphemeralEnvelope | SnapshotEnvelope);
  /** A subscription has ended. */
  unsubscribed: { code?: string | null; group: GroupKey; ref?: string | null; type: 'unsubscribed' };
  /** An admin has an order on the screen, or none any more. What is not told again within 45 s holds no more. */
  viewing: ViewingView & { type: 'viewing' } & EphemeralEnvelope;
  /** Money moved in or out of the wallet. */
  wallet_update: { entry: EntryView; type: 'wallet_update'; wallet: WalletBalance } & EventEnvelope;
  /** First frame of `/ws/`. */
  welcome: { expires_at: Timestamp; ping_interval: number; session_id: SessionId; type: 'welcome'; user_id: UserId };
}

/** What a client sends, by `type`. */
export interface ClientFrames {
  /** Take an order that is offered; for partners. `assignment_closed` with the reason `accepted` answers. */
  accept: { offer_id: OfferId; ref?: string | null; type: 'accept' };
  /** The device has shown or stored these events; that is recorded for each notification among them. */
  ack: { ids: EventId[]; ref?: string | null; type: 'ack' };
  /** A fresh access token, to stay connected past the old one's end. `authenticated` answers. */
  auth: { ref?: string | null; token: string; type: 'auth' };
  /** Write about an order; 20 messages a minute. `chat_message` answers. Sent again with the same `client_id`, it is the same message. */
  chat: { client_id?: string | null; order_id: OrderId; ref?: string | null; text: string; type: 'chat' };
  /** The user has read what was written about an order. `chat_read` goes to all who listen to the order if that is new, and the user no admin. */
  chat_read: { order_id: OrderId; ref?: string | null; type: 'chat_read'; up_to?: MessageId | null };
  /** Leave an order that is offered to others; for partners. `assignment_closed` with the reason `declined` answers. */
  decline: { offer_id: OfferId; reason?: string | null; ref?: string | null; type: 'decline' };
  /** Where the partner is, or was; for partners only. Either one sample, for which `latitude`, `longitude` and `timestamp` are needed, or several as `points`. Not answered when all is well. */
  location: { accuracy?: number | null; battery?: number | null; heading?: number | null; latitude?: number | null; longitude?: number | null; order_id?: OrderId | null; points?: LocationSample[] | null; ref?: string | null; sent_at?: Timestamp | null; speed?: number | null; timestamp?: Timestamp | null; type: 'location' };
  /** Mark every notification as read. `unread_count` goes to every session of the user. */
  mark_all_read: { ref?: string | null; type: 'mark_all_read' };
  /** Mark a notification as read. `unread_count` goes to every session of the user. */
  mark_read: { id: NotificationId; ref?: string | null; type: 'mark_read' };
  /** `pong` answers. */
  ping: { ref?: string | null; type: 'ping' };
  /** Listen to a group. `subscribed` answers; what was missed, or else the group's snapshot, follows. Subscribing to a group again leaves it first. */
  subscribe: { group: GroupKey; ref?: string | null; since?: Since | null; type: 'subscribe' };
  /** The user is writing about an order. Passed on at most every 2 s; not answered when all is well. */
  typing: { order_id: OrderId; ref?: string | null; type: 'typing' };
  /** Stop listening to a group. `unsubscribed` answers. */
  unsubscribe: { group: GroupKey; ref?: string | null; type: 'unsubscribe' };
  /** Which order the screen of an admin shows: told to all admins as `viewing`. Say it again every 20 s while that is so; it is forgotten after 45 s. Not answered when all is well. */
  view: { order_id?: OrderId | null; ref?: string | null; type: 'view' };
}

/** A frame that another back end published. */
export type PublishedFrame = { data: unknown; type: string } & (EventEnvelope | EphemeralEnvelope);
