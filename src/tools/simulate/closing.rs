//! The end of a simulation: nobody orders any more, what is open comes to its end, and then everything is looked at once
//! more through the public interface.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use futures_util::StreamExt;
use futures_util::stream::iter;
use serde::Deserialize;
use uuid::Uuid;

use super::person::{Person, TOP_UP_PATH};
use super::placed::Placed;
use super::reading::{Page, TRIED, all, get};
use super::rules::Break;
use super::rules::ends::{
    Entry, Message, Row, Sent, adds_up, assigned, earned, last_ride, messages, paid_from_wallet,
    seen_under_way, timeline,
};
use super::rules::notes::{Note, of_customer, of_partner, of_pay_outs, of_wallet};
use super::rules::outcome::{Lot, nothing_done};
use super::rules::told::{Held, Told, made_up};
use super::rules::transfers::{Transfer, moved};
use super::rules::words::Refusal;
use super::trouble::Trouble;
use super::world::{Order, Town};
use crate::domain::ids::{OrderId, PartnerId};
use crate::domain::order::{OrderStatus, PaymentMethod};
use crate::domain::principal::Role;

/// How long orders may take to come to their end, at the pace of the real world.
const LAST_RIDES: Duration = Duration::from_secs(600);
/// However fast the city lives, offers run out at the pace of the server.
const LEAST: Duration = Duration::from_secs(150);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(250);
/// What the socket has not told this long after the last sign of an outage, it does not tell any more.
const QUIET: Duration = Duration::from_secs(40);
/// The same where there never was an outage.
const CALM: Duration = Duration::from_secs(15);
/// The same where one outage follows another.
const LONGEST: Duration = Duration::from_secs(600);
/// Each person is given this long at least.
const PAST: Duration = Duration::from_secs(3);
/// Of unread notifications, this long: people are still reading.
const READING: Duration = QUIET;
/// People and orders that are looked at side by side.
const AT_ONCE: usize = 4;
/// The clocks of this machine and the server's differ by less.
const CLOCKS: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Wallet {
    balance: i64,
    held: i64,
}

#[derive(Deserialize)]
struct Earnings {
    balance: i64,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Unread {
    id: Uuid,
}

#[derive(Deserialize)]
struct Count {
    count: i64,
}

#[derive(Deserialize)]
struct TransferNow {
    status: String,
}

#[derive(Deserialize)]
struct Me {
    partner_id: Option<PartnerId>,
}

/// Everybody, and what their accounts say in the end.
pub struct Closing<'a> {
    town: &'a Town,
    people: &'a [Rc<Person>],
    /// Since when everything is looked at.
    since: Cell<Instant>,
    /// Notifications as they were read last, by the name of the log.
    notes: RefCell<HashMap<String, Rc<[Note]>>>,
}

impl<'a> Closing<'a> {
    /// Of this town and its people.
    #[must_use]
    pub fn new(town: &'a Town, people: &'a [Rc<Person>]) -> Self {
        Self { town, people, since: Cell::new(Instant::now()), notes: RefCell::default() }
    }

    /// Lets what is open come to its end, for as long as that should take at `pace` after the last sign of an outage.
    pub async fn wait(&self, pace: f64) {
        self.town.close();
        let patience = LAST_RIDES.div_f64(pace).max(LEAST);
        let begin = Instant::now();
        let is_over = || {
            let is_over = |placed: &Placed| {
                placed.status.is_end() && placed.written.iter().all(|written| written.is_settled)
            };
            self.town.saw.look(|seen| seen.orders.values().all(is_over))
                && self.town.saw.untold_offers().is_empty()
        };
        let is_late = || {
            let shaken = self.town.saw.steady_since().unwrap_or(begin);
            shaken.max(begin).elapsed() > patience || begin.elapsed() > patience + LONGEST
        };
        while !is_over() && !is_late() {
            sleep(GLANCE).await;
        }
    }

    /// Looks at everything once more.
    pub async fn check(&self) {
        self.since.set(Instant::now());
        for (who, broken) in self.town.saw.untold_offers() {
            self.town.saw.broke(&who, broken);
        }
        let broken = self.town.saw.look(|seen| {
            let lot = |placed: &Placed| Lot {
                status: placed.status,
                called_off: placed.called_off,
                was_confirmed: placed.was_confirmed,
            };
            let lots: Vec<Lot> = seen.orders.values().map(lot).collect();
            nothing_done(seen.deeds.get("order tried").copied().unwrap_or_default(), &lots)
        });
        broken.into_iter().for_each(|broken| self.town.saw.broke("everybody", broken));
        let wallets = self.each(Role::Customer, |person| self.wallet(person)).await;
        let earnings: HashMap<PartnerId, Purse<'_>> =
            self.each(Role::Partner, |person| self.earnings(person)).await.into_values().flatten().collect();
        let orders: Vec<OrderId> = self.town.saw.look(|seen| seen.orders.keys().copied().collect());
        let (wallets, earnings) = (&wallets, &earnings);
        iter(orders).for_each_concurrent(AT_ONCE, |id| self.order(id, wallets, earnings)).await;
    }

    /// Does something for each person of a role.
    async fn each<T, F: Future<Output = Result<T, Trouble>>>(
        &self,
        role: Role,
        act: impl Fn(&'a Person) -> F,
    ) -> HashMap<&'a str, T> {
        let people = self.people.iter().map(Rc::as_ref).filter(|person| person.role() == role);
        let act = &act;
        let found = iter(people).map(|person| async move { (person, act(person).await) });
        let found: Vec<_> = found.buffer_unordered(AT_ONCE).collect().await;
        let sound = |(person, found): (&'a Person, Result<T, Trouble>)| {
            let found = found.map_err(|trouble| self.unanswered(person, "the account", &trouble)).ok()?;
            Some((person.name(), found))
        };
        found.into_iter().filter_map(sound).collect()
    }

    fn unanswered(&self, person: &Person, what: &str, trouble: &Trouble) {
        self.broke(person, Break::new(what, "to be read in the end", trouble.to_string()));
    }

    fn broke(&self, person: &Person, broken: Break) {
        self.town.saw.broke(person.name(), broken);
    }

    /// Whether what this person has not been told by now will not be told any more. It is looked for since `begin`, and for
    /// so long `at_least`.
    fn is_late(&self, person: &Person, begin: Instant, at_least: Duration) -> bool {
        let shaken = self.town.saw.steady_since();
        let line = self.town.told_to(person.name()).borrow().line;
        let since = self.since.get();
        let steady = [shaken, line].into_iter().flatten().fold(since, Instant::max);
        let quiet = if shaken.is_some() { QUIET } else { CALM };
        // Who is out of reach hears of nothing, whosever fault that is.
        let is_quiet = line.is_some() && steady.elapsed() > quiet;
        begin.elapsed() > at_least && (is_quiet || since.elapsed() > LONGEST)
    }

    /// What a person had to be told and was not, once that is certain.
    async fn untold(&self, person: &Person, find: impl Fn(&Told) -> Vec<Break>) -> Vec<Break> {
        let begin = Instant::now();
        let told = self.town.told_to(person.name());
        loop {
            let broken = find(&told.borrow());
            if broken.is_empty() || self.is_late(person, begin, PAST) {
                return broken;
            }
            sleep(GLANCE).await;
        }
    }

    /// How much of what a person had to be told was looked for.
    fn count(&self, person: &Person, what: &'static str, held: impl Fn(&Told) -> Held) {
        let told = self.town.told_to(person.name());
        self.town.saw.held(what, held(&told.borrow()));
    }

    /// Whether what a person was told of unread notifications is so.
    async fn unread(&self, person: &Person) -> Result<(), Trouble> {
        let begin = Instant::now();
        let mut read = None;
        loop {
            let told = self.town.saw.unread(person.name());
            let items: Vec<Unread> = all(person, "/api/v1/notifications?unread=true").await?;
            let Count { count } = get(person, "/api/v1/notifications/unread_count").await?;
            let unread = || items.iter().map(|unread| unread.id);
            if let Some(id) = read.filter(|read| unread().any(|id| id == *read)) {
                let broken = Break::new("the inbox", "what was read to be read", format!("{id} is unread"));
                self.broke(person, broken);
                return Ok(());
            }
            // Somebody may have read it while the list was under way: the next one has to know.
            read = unread().find(|id| self.town.saw.is_read(*id));
            let is_so = read.is_none() && told == Some(count) && i64::try_from(items.len()) == Ok(count);
            if is_so {
                return Ok(());
            }
            if self.is_late(person, begin, READING) {
                let came = format!("{count} by the call, {told:?} by the socket");
                let expected = format!("{} unread notifications", items.len());
                self.broke(person, Break::new("the inbox", expected, came));
                return Ok(());
            }
            sleep(GLANCE).await;
        }
    }

    async fn wallet(&self, person: &Person) -> Result<Vec<Entry>, Trouble> {
        self.unread(person).await?;
        let told = self.town.told_to(person.name()).borrow().entries();
        let entries: Vec<Entry> = all(person, "/api/v1/wallet/entries").await?;
        let Wallet { balance, held } = get(person, "/api/v1/wallet").await?;
        let mut broken = adds_up("the wallet", balance, &entries);
        broken.extend(made_up(&told, &entries));
        broken.extend(self.untold(person, |told| told.untold_entries(Role::Customer, &entries)).await);
        self.count(person, "movements", |told| told.held_entries(Role::Customer, &entries));
        if held != 0 {
            // An earlier simulation may have left something behind.
            let orders: Vec<Order> = all(person, "/api/v1/orders").await?;
            let open = orders.iter().filter(|order| !order.status.is_end());
            let from_wallet = open.filter(|order| order.payment_method == PaymentMethod::Wallet);
            let expected: i64 = from_wallet.map(|order| order.price.amount).sum();
            if held != expected {
                let expected = format!("{expected} held, for the orders that are not over");
                broken.push(Break::new("the wallet", expected, held.to_string()));
            }
        }
        broken.into_iter().for_each(|broken| self.broke(person, broken));
        let broken = self.settled(async || {
            let (asked, _) = self.asked(person, "top_up", TOP_UP_PATH).await?;
            let entries: Vec<Entry> = all(person, "/api/v1/wallet/entries").await?;
            let mut broken = moved("top_up", &asked, &entries, self.town.begin.before(CLOCKS));
            broken.extend(self.notified(person, |notes| of_wallet(&entries, notes)).await?);
            Ok(broken)
        });
        broken.await?.into_iter().for_each(|broken| self.broke(person, broken));
        Ok(entries)
    }

    /// What is wrong, and stays so: money may move between one call and the next.
    async fn settled(
        &self,
        look: impl AsyncFn() -> Result<Vec<Break>, Trouble>,
    ) -> Result<Vec<Break>, Trouble> {
        let begin = Instant::now();
        loop {
            let broken = look().await?;
            if broken.is_empty() || begin.elapsed() > READING {
                return Ok(broken);
            }
            sleep(PAST).await;
        }
    }

    /// What a person moved from outside, or there, and whether that has moved money; what may still do so has no id. And how
    /// many of these have succeeded.
    async fn asked(
        &self,
        person: &Person,
        kind: &str,
        path: &str,
    ) -> Result<(Vec<(Transfer, bool)>, usize), Trouble> {
        let (mut asked, mut succeeded) = (Vec::new(), 0);
        for mut transfer in self.town.moved_by(person.name()) {
            let mut has_moved = false;
            if let Some(id) = &transfer.id {
                let TransferNow { status } = get(person, &format!("{path}/{id}")).await?;
                succeeded += usize::from(status == "succeeded");
                // A pay-out leaves the account before it is sent, and comes back where it cannot be.
                has_moved = status == "succeeded" || kind == "pay_out";
                if status == "pending" && !has_moved {
                    transfer.id = None;
                }
            }
            asked.push((transfer, has_moved));
        }
        Ok((asked, succeeded))
    }

    /// What is wrong with a person's notifications; they are read anew where something is, since they may have been read before it
    /// happened.
    async fn notified(
        &self,
        person: &Person,
        find: impl Fn(&[Note]) -> Vec<Break>,
    ) -> Result<Vec<Break>, Trouble> {
        let read = self.notes.borrow().get(person.name()).map(Rc::clone);
        if read.is_some_and(|notes| find(&notes).is_empty()) {
            return Ok(Vec::new());
        }
        let notes: Rc<[Note]> = all::<Note>(person, "/api/v1/notifications").await?.into();
        self.notes.borrow_mut().insert(person.name().to_owned(), Rc::clone(&notes));
        Ok(find(&notes))
    }

    async fn earnings(&self, person: &'a Person) -> Result<Option<(PartnerId, Purse<'a>)>, Trouble> {
        self.unread(person).await?;
        let Me { partner_id } = get(person, "/api/v1/me").await?;
        let told = self.town.told_to(person.name()).borrow().entries();
        let (balance, entries) = booked(person).await?;
        let mut broken = adds_up("the earnings", balance, &entries);
        broken.extend(made_up(&told, &entries));
        broken.extend(self.untold(person, |told| told.untold_entries(Role::Partner, &entries)).await);
        self.count(person, "movements", |told| told.held_entries(Role::Partner, &entries));
        let paid_out = self.settled(async || {
            let (asked, sent) = self.asked(person, "pay_out", "/api/v1/partner/payouts").await?;
            let entries: Vec<Entry> = all(person, "/api/v1/partner/earnings/entries").await?;
            let mut broken = moved("pay_out", &asked, &entries, self.town.begin.before(CLOCKS));
            broken.extend(self.notified(person, |notes| of_pay_outs(&entries, sent, notes)).await?);
            Ok(broken)
        });
        broken.extend(paid_out.await?);
        broken.into_iter().for_each(|broken| self.broke(person, broken));
        Ok(partner_id.map(|id| (id, Purse { person, entries })))
    }

    async fn order(
        &self,
        id: OrderId,
        wallets: &HashMap<&str, Vec<Entry>>,
        earnings: &HashMap<PartnerId, Purse<'_>>,
    ) {
        let by = self.town.saw.look(|seen| seen.orders.get(&id).map(|placed| placed.by.clone()));
        let Some(customer) = self.people.iter().find(|person| Some(person.name()) == by.as_deref()) else {
            return;
        };
        if let Err(trouble) = self.look_at(id, customer, wallets, earnings).await {
            self.unanswered(customer, &format!("order {id}"), &trouble);
        }
    }

    async fn look_at(
        &self,
        id: OrderId,
        customer: &Person,
        wallets: &HashMap<&str, Vec<Entry>>,
        earnings: &HashMap<PartnerId, Purse<'_>>,
    ) -> Result<(), Trouble> {
        let path = format!("/api/v1/orders/{id}");
        let order: Order = get(customer, &path).await?;
        if !order.status.is_end() {
            self.broke(customer, Break::new(id, "an end", order.status.as_str()));
            return Ok(());
        }
        let rows: Page<Row> = get(customer, &format!("{path}/timeline")).await?;
        let mut broken = timeline(id, order.status, order.version, &rows.items);
        self.town.saw.look(|seen| {
            let Some(placed) = seen.orders.get(&id) else { return };
            broken.extend(assigned(id, placed.won.len(), &rows.items));
            let sightings = placed.sightings.iter().map(|sighting| sighting.at);
            broken.extend(sightings.filter_map(|at| seen_under_way(id, at, &rows.items)));
        });
        let carrier =
            order.partner.as_ref().and_then(|partner| Some((partner.id, earnings.get(&partner.id)?)));
        let talk = format!("{path}/messages");
        let mut mine: Vec<Message> = all(customer, &talk).await?;
        let mut theirs: Option<(PartnerId, Vec<Message>)> = None;
        if let Some((partner, purse)) = carrier {
            let seen: Vec<Message> = all(purse.person, &talk).await?;
            if seen.len() != mine.len() {
                // Something may have been written between the two.
                mine = all(customer, &talk).await?;
            }
            theirs = Some((partner, seen));
        }
        let untold = self.untold(customer, |told| {
            let mut untold = told.untold_steps(id, Role::Customer, &rows.items);
            untold.extend(told.stands(id, order.version));
            untold.extend(told.untold_messages(id, Role::Customer, &mine));
            untold
        });
        broken.extend(untold.await);
        self.count(customer, "steps", |told| told.held_steps(id, Role::Customer, &rows.items));
        self.count(customer, "messages", |told| told.held_messages(id, &mine));
        if let (Some((_, purse)), Some((_, theirs))) = (carrier, &theirs) {
            let untold = self.untold(purse.person, |told| {
                let mut untold = told.untold_steps(id, Role::Partner, last_ride(&rows.items));
                untold.extend(told.untold_messages(id, Role::Partner, theirs));
                untold
            });
            broken.extend(untold.await);
            self.count(purse.person, "steps", |told| {
                told.held_steps(id, Role::Partner, last_ride(&rows.items))
            });
            self.count(purse.person, "messages", |told| told.held_messages(id, theirs));
        }
        self.town.saw.look(|seen| {
            let Some(placed) = seen.orders.get(&id) else { return };
            let written = placed.written.iter().map(|written| Sent {
                mark: &written.client_id,
                words: written.words,
                is_sure: written.is_sure,
            });
            let theirs = theirs.as_ref().map(|(partner, messages)| (*partner, messages.as_slice()));
            broken.extend(messages(id, written, &mine, theirs));
            let refusals = placed.written.iter().filter_map(|written| {
                Refusal::unexplained(written.refused.as_ref()?, id, &written.client_id, &rows.items)
            });
            broken.extend(refusals);
            if let Some((_, purse)) = carrier.filter(|_| order.status == OrderStatus::Completed) {
                broken.extend(earned(id, placed.share, &purse.entries));
            }
        });
        let price = self
            .town
            .saw
            .look(|seen| seen.orders.get(&id).filter(|placed| placed.from_wallet).map(|placed| placed.price));
        if let Some((price, entries)) = price.zip(wallets.get(customer.name())) {
            let paid = |entries: &[Entry]| paid_from_wallet(id, order.status, price, &rows.items, entries);
            if paid(entries).is_some() {
                // The order may have come to its end since the wallet was read.
                let entries: Vec<Entry> = all(customer, "/api/v1/wallet/entries").await?;
                broken.extend(paid(&entries));
            }
        }
        let from_wallet = order.payment_method == PaymentMethod::Wallet;
        broken
            .extend(self.notified(customer, |notes| of_customer(id, from_wallet, &rows.items, notes)).await?);
        if let Some((_, purse)) = carrier {
            broken.extend(self.notified(purse.person, |notes| of_partner(id, &rows.items, notes)).await?);
        }
        broken.into_iter().for_each(|broken| self.broke(customer, broken));
        Ok(())
    }
}

/// What a partner has earned.
struct Purse<'a> {
    person: &'a Person,
    /// All there ever was.
    entries: Vec<Entry>,
}

/// What a partner has, and all that went in and out.
async fn booked(person: &Person) -> Result<(i64, Vec<Entry>), Trouble> {
    let begin = Instant::now();
    loop {
        let booked: Vec<Entry> = all(person, "/api/v1/partner/earnings/entries").await?;
        let Earnings { balance, entries } = get(person, "/api/v1/partner/earnings").await?;
        let latest = |entries: &[Entry]| entries.first().map(|entry| entry.id);
        // Something may have been booked in between.
        if latest(&booked) == latest(&entries) || begin.elapsed() > TRIED {
            return Ok((balance, booked));
        }
    }
}
