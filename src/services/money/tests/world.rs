//! Who does it, and how.

use std::pin::pin;
use std::task::Poll;

use diesel::RunQueryDsl;
use futures_util::future::poll_fn;

use super::calls::{Asked, Call, Made};
use super::ops::{Act, Op};
use super::*;
use crate::domain::deadline::DeadlineKind;
use crate::domain::geo::{Place, Position};
use crate::domain::ids::{EventId, OfferId};
use crate::domain::order::{Item, Order, OrderStatus, Party, PaymentMethod, STEPS};
use crate::protocol::channel::PartnerPosition;
use crate::services::deadlines::fire_due;
use crate::services::dispatch::{self, Decline, NewAvailability};
use crate::services::orders::{Assignment, Transition};
use crate::store::StoreError;
use crate::store::deadlines;
use crate::store::dispatch as offer_rows;
use crate::store::orders::{self as order_rows, Filter};

/// Who there is, where, and what they have done.
pub(super) struct World {
    pub customers: Vec<Principal>,
    partners: Vec<Principal>,
    pub admin: Principal,
    /// Far from everybody in another world.
    place: Place,
    /// What they have asked the provider for.
    pub transfers: Vec<(TransferId, Money)>,
    /// What was asked for under a key.
    pub calls: Vec<Call>,
}

/// What was done.
pub(super) enum Done {
    /// A call, with its answer.
    Called(Made),
    /// Anything else.
    Other(Result<(), ServiceError>),
}

impl World {
    /// The `number`th one in a database.
    pub async fn new(app: &TestApp, number: u32) -> Self {
        let admin = app.user(Role::Admin).await;
        let (mut customers, mut partners) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            customers.push(app.user(Role::Customer).await);
            let partner = app.user(Role::Partner).await;
            let online = NewAvailability { online: true };
            dispatch::set_availability(app, partner, online).await.expect("online");
            partners.push(partner);
        }
        let place =
            Place { latitude: 0.0, longitude: f64::from(number % 300) - 150.0, address: "here".into() };
        Self { customers, partners, admin, place, transfers: Vec::new(), calls: Vec::new() }
    }

    /// Everybody, for a condition of SQL's.
    pub fn everybody(&self) -> String {
        let all = self.customers.iter().chain(&self.partners).chain([&self.admin]);
        let all: Vec<String> = all.map(|who| format!("'{}'", who.user_id)).collect();
        all.join(", ")
    }

    async fn orders(&self, app: &App, open: bool) -> Vec<Order> {
        let mut orders = Vec::new();
        for customer in &self.customers {
            let filter = Filter { customer_id: Some(customer.user_id), ..Filter::default() };
            orders.extend(
                app.read(move |conn| Ok(order_rows::list(conn, &filter, 100)?)).await.expect("orders"),
            );
        }
        orders.retain(|order| !open || !order.status.is_end());
        orders
    }

    async fn pick_open(&self, app: &App, number: usize) -> Option<OrderId> {
        let ids: Vec<OrderId> = self.orders(app, true).await.iter().map(|order| order.id).collect();
        pick(&ids, number)
    }

    /// The call that it is, if it is one.
    async fn call_of(&self, app: &App, op: &Op) -> Option<Call> {
        let currency = |in_euros| if in_euros { euro() } else { USD };
        Some(match *op {
            Op::TopUp { customer, amount, in_euros, key } => {
                let asked = Asked::TopUp(NewTopUp { amount, currency: currency(in_euros) });
                Call { who: self.customers[customer], asked, key }
            }
            Op::PayOut { partner, amount, in_euros, key } => {
                let asked = Asked::PayOut(NewPayout { amount, currency: Some(currency(in_euros)) });
                Call { who: self.partners[partner], asked, key }
            }
            Op::Place { customer, price, in_euros, on_wallet, key } => {
                let order = NewOrder {
                    pickup: self.place.clone(),
                    dropoff: self.place.clone(),
                    items: vec![Item { name: "soup".into(), quantity: 1, unit_price: price }],
                    currency: Some(currency(in_euros)),
                    payment_method: Some(if on_wallet { PaymentMethod::Wallet } else { PaymentMethod::Cash }),
                    notes: None,
                };
                Call { who: self.customers[customer], asked: Asked::Place(order), key }
            }
            Op::Refund { order, amount, key } => {
                let ids: Vec<OrderId> = self.orders(app, false).await.iter().map(|order| order.id).collect();
                let asked = Asked::Refund(
                    pick(&ids, order)?,
                    NewRefund { amount, refunded: None, reason: "cold".into() },
                );
                Call { who: self.admin, asked, key }
            }
            Op::Again { call } => self.calls.get(call.checked_rem(self.calls.len())?)?.clone(),
            Op::Look
            | Op::Answer { .. }
            | Op::RunOut { .. }
            | Op::GiveUp { .. }
            | Op::Carry { .. }
            | Op::CancelLate { .. }
            | Op::Silence { .. }
            | Op::Step { .. }
            | Op::StepAndCrash { .. }
            | Op::Event { .. }
            | Op::NewsAndCrash { .. }
            | Op::Resume => return None,
        })
    }

    /// Does it, and once more where the line breaks; without a key, a call is one for somebody with all the time in the world.
    pub async fn act(&self, app: &App, act: Act) -> Done {
        let Act { op, patience } = act;
        if let Some(call) = self.call_of(app, &op).await {
            let patience = patience.filter(|_| call.key.is_some());
            let (outcome, is_repeated) = insist(patience, || call.clone().make(app)).await;
            return Done::Called(Made { call, outcome, is_repeated });
        }
        Done::Other(match op {
            Op::Step { order, step } => match self.pick_open(app, order).await {
                Some(order_id) => self.take_step(app, order_id, order, step, patience).await,
                None => Ok(()),
            },
            op => insist(patience, || self.do_other(app, op.clone())).await.0,
        })
    }

    async fn do_other(&self, app: &App, op: Op) -> Result<(), ServiceError> {
        match op {
            // There is nothing to be called for, or again.
            Op::TopUp { .. }
            | Op::Place { .. }
            | Op::Refund { .. }
            | Op::PayOut { .. }
            | Op::Again { .. }
            // One step alone is repeated as such.
            | Op::Step { .. } => Ok(()),
            Op::Look => self.look(app).await,
            Op::Answer { partner, offer, accept } => {
                let Some((offer_id, _)) = self.open_offer(app, partner, offer).await? else { return Ok(()) };
                let who = self.partners[partner];
                let answered = if accept {
                    dispatch::accept(app, who, offer_id).await
                } else {
                    dispatch::decline(app, who, offer_id, Decline::default()).await
                };
                answered.map(|_| ())
            }
            Op::RunOut { partner, offer } => {
                let Some((offer_id, order_id)) = self.open_offer(app, partner, offer).await? else {
                    return Ok(());
                };
                app.write(move |tx| {
                    order_rows::find_locked(tx.conn(), order_id)?;
                    let now = tx.now();
                    let text = "UPDATE offers SET expires_at = created_at WHERE status = 'open' AND id = ";
                    let changed = change(tx, format!("{text}'{offer_id}'"))?;
                    // Unless it was answered meanwhile.
                    if changed > 0 {
                        tx.set_deadline(DeadlineKind::Offer, offer_id, Some(order_id), now)?;
                    }
                    Ok(())
                })
                .await?;
                fire_due(app).await.map(|_| ())
            }
            Op::GiveUp { order } => {
                let mut waiting = self.orders(app, true).await;
                waiting.retain(|order| order.status == OrderStatus::Confirmed);
                let ids: Vec<OrderId> = waiting.iter().map(|order| order.id).collect();
                let Some(order_id) = pick(&ids, order) else { return Ok(()) };
                self.let_it_be_due(app, order_id, DeadlineKind::NoPartner, OrderStatus::Confirmed).await?;
                fire_due(app).await.map(|_| ())
            }
            Op::Carry { order, steps } => {
                let Some(order_id) = self.pick_open(app, order).await else { return Ok(()) };
                for _ in 0..steps {
                    self.take_step(app, order_id, order, 0, None).await?;
                }
                Ok(())
            }
            Op::CancelLate { order } => {
                let Some(order_id) = self.pick_open(app, order).await else { return Ok(()) };
                self.carry_to(app, order_id, order, OrderStatus::Arrived).await?;
                let found = app.read(move |conn| Ok(order_rows::find(conn, order_id)?)).await?;
                let who = found.and_then(|order| self.customer_of(&order));
                let asked = step_to(OrderStatus::Cancelled, None);
                orders::transition(app, who.expect("its customer"), order_id, asked, None).await.map(|_| ())
            }
            Op::Silence { order, dies } => {
                let Some(order_id) = self.pick_open(app, order).await else { return Ok(()) };
                self.carry_to(app, order_id, order, OrderStatus::Delivered).await?;
                let (kind, status) = (DeadlineKind::Complete, OrderStatus::Delivered);
                self.let_it_be_due(app, order_id, kind, status).await?;
                if dies {
                    app.write(|tx| {
                        let now = tx.now();
                        Ok(deadlines::take_due(tx.conn(), now, 1)?)
                    })
                    .await?;
                    self.let_it_be_due(app, order_id, kind, status).await?;
                }
                fire_due(app).await.map(|_| ())
            }
            Op::StepAndCrash { order, to } => {
                let Some(order_id) = self.pick_open(app, order).await else { return Ok(()) };
                app.write(move |tx| {
                    let order = order_rows::find_locked(tx.conn(), order_id)?;
                    if let Some(mut order) =
                        order.filter(|order| !order.status.is_end() && order.partner.is_some())
                    {
                        let from = order.status;
                        order.status = to;
                        settle(tx, &order, from, Party::Customer)?;
                    }
                    crashed()
                })
                .await
            }
            Op::Event { transfer, status, id } => {
                let Some((transfer_id, amount)) = pick(&self.transfers, transfer) else { return Ok(()) };
                let event = ProviderEvent {
                    id: format!("{id} of {}", self.admin.user_id),
                    kind: format!("transfer.{status}"),
                    transfer_id,
                    reference: None,
                    amount: amount.amount,
                    currency: amount.currency,
                    reason: None,
                };
                take_event(app, "test", event).await.map(|_| ())
            }
            Op::NewsAndCrash { transfer, status } => {
                let Some((transfer_id, _)) = pick(&self.transfers, transfer) else { return Ok(()) };
                app.write(move |tx| {
                    apply(tx, transfer_id, News { status, reference: None, failure: None })?;
                    crashed()
                })
                .await
            }
            Op::Resume => resume(app, Timestamp::now().after(DAY)).await.map(|_| ()),
        }
    }

    /// Partners are seen at the pick-up of all orders, and what is due is done.
    async fn look(&self, app: &App) -> Result<(), ServiceError> {
        let position = Position { latitude: self.place.latitude, longitude: self.place.longitude };
        for partner in &self.partners {
            let partner_id = partner.partner_id.expect("a partner");
            let seen = PartnerPosition { partner_id, position, accuracy: None, at: Timestamp::now() };
            app.tracking().positions().note(seen, false);
        }
        fire_due(app).await.map(|_| ())
    }

    /// One of the offers that a partner can answer; orders are offered first where there is none.
    async fn open_offer(
        &self,
        app: &App,
        partner: usize,
        number: usize,
    ) -> Result<Option<(OfferId, OrderId)>, ServiceError> {
        let partner_id = self.partners[partner].partner_id.expect("a partner");
        for is_last in [false, true] {
            let open = app.read(move |conn| Ok(offer_rows::open_offers_to(conn, partner_id, 10)?)).await?;
            let ids: Vec<_> = open.iter().map(|offer| (offer.id, offer.order_id)).collect();
            match pick(&ids, number) {
                None if !is_last => self.look(app).await?,
                found => return Ok(found),
            }
        }
        Ok(None)
    }

    /// So much time goes by that a deadline of an order is due, if the order is still in that status.
    async fn let_it_be_due(
        &self,
        app: &App,
        order_id: OrderId,
        kind: DeadlineKind,
        status: OrderStatus,
    ) -> Result<(), ServiceError> {
        app.write(move |tx| {
            let order = order_rows::find_locked(tx.conn(), order_id)?;
            if order.is_none_or(|order| order.status != status) {
                return Ok(());
            }
            let millis = tx.settings().complete_after.as_millis();
            let text =
                format!("UPDATE orders SET updated_at = updated_at - {millis} WHERE id = '{order_id}'");
            change(tx, text)?;
            let due_at = tx.now().before(DAY);
            tx.set_deadline(kind, order_id, Some(order_id), due_at)
        })
        .await
    }

    fn customer_of(&self, order: &Order) -> Option<Principal> {
        self.customers.iter().find(|one| one.user_id == order.customer_id).copied()
    }

    async fn carry_to(
        &self,
        app: &App,
        order_id: OrderId,
        chance: usize,
        to: OrderStatus,
    ) -> Result<(), ServiceError> {
        for _ in STEPS {
            let order = app.read(move |conn| Ok(order_rows::find(conn, order_id)?)).await?;
            if order.is_none_or(|order| order.status == to || order.status.is_end()) {
                return Ok(());
            }
            self.take_step(app, order_id, chance, 0, None).await?;
        }
        Ok(())
    }

    /// Takes one of the steps that the order can take, as somebody who may; `chance` chooses the partner.
    async fn take_step(
        &self,
        app: &App,
        order_id: OrderId,
        chance: usize,
        number: usize,
        patience: Option<u8>,
    ) -> Result<(), ServiceError> {
        let order = app.read(move |conn| Ok(order_rows::find(conn, order_id)?)).await?;
        let order = order.ok_or(ServiceError::NotFound { what: "order" })?;
        let mut steps: Vec<_> = STEPS.iter().filter(|step| step.from == order.status).collect();
        // What carries on comes first, and giving back last.
        steps.sort_by_key(|step| step.to == OrderStatus::Confirmed && order.status == OrderStatus::Assigned);
        let Some(step) = pick(&steps, number) else { return Ok(()) };
        if step.to == OrderStatus::Assigned {
            let partner_id = self.partners[chance % 2].partner_id.expect("a partner");
            let asked = Assignment { partner_id, version: None };
            let key = patience.map(|_| a_key(self.admin));
            let assigned =
                insist(patience, || orders::assign(app, self.admin, order_id, asked, key.clone())).await;
            return assigned.0.map(|_| ());
        }
        let by = step.by[number % step.by.len()];
        let who = match by {
            Party::Customer => self.customer_of(&order),
            Party::Partner => {
                let assigned = order.partner.as_ref().map(|partner| partner.partner_id);
                self.partners.iter().find(|one| one.partner_id == assigned).copied()
            }
            Party::Admin | Party::System => Some(self.admin),
        };
        let Some(who) = who else { return Ok(()) };
        let asked = step_to(step.to, Some("because".to_owned()));
        let key = patience.map(|_| a_key(who));
        let taken =
            insist(patience, || orders::transition(app, who, order_id, asked.clone(), key.clone())).await;
        taken.0.map(|_| ())
    }
}

/// Does something, and once more where the line breaks: what is under way then may happen or not. Tells also whether it did
/// break.
async fn insist<F: Future>(patience: Option<u8>, mut once: impl FnMut() -> F) -> (F::Output, bool) {
    let Some(mut looks) = patience else { return (once().await, false) };
    let answer = {
        let mut first = pin!(once());
        let hear = poll_fn(|context| match (first.as_mut().poll(context), looks.checked_sub(1)) {
            (Poll::Ready(answer), _) => Poll::Ready(Some(answer)),
            (Poll::Pending, None) => Poll::Ready(None),
            (Poll::Pending, Some(left)) => {
                looks = left;
                Poll::Pending
            }
        });
        hear.await
    };
    match answer {
        Some(answer) => (answer, false),
        None => (once().await, true),
    }
}

/// A key that nobody has used.
fn a_key(who: Principal) -> Idempotency {
    Idempotency::new(&who.user_id.to_string(), EventId::new().to_string(), "POST /", b"{}")
}

fn step_to(to: OrderStatus, words: Option<String>) -> Transition {
    Transition { to, version: None, reason: words.clone(), code: None, note: words }
}

pub(super) fn euro() -> Currency {
    "EUR".parse().expect("a currency")
}

fn pick<T: Copy>(among: &[T], number: usize) -> Option<T> {
    among.get(number.checked_rem(among.len())?).copied()
}

fn crashed<T>() -> Result<T, ServiceError> {
    Err(ServiceError::conflict("not_delivered", "the power went out"))
}

fn change(tx: &mut Tx<'_>, text: String) -> Result<usize, ServiceError> {
    Ok(diesel::sql_query(text).execute(tx.conn()).map_err(StoreError::from)?)
}
