//! What somebody may do, and how often each is tried.

use proptest::prelude::*;

use crate::domain::order::OrderStatus;
use crate::domain::payment::TransferStatus;

/// Something that somebody does. Numbers choose among what is there.
#[derive(Debug, Clone)]
pub(super) enum Op {
    TopUp {
        customer: usize,
        amount: i64,
        in_euros: bool,
        key: Option<u8>,
    },
    Place {
        customer: usize,
        price: i64,
        in_euros: bool,
        on_wallet: bool,
        key: Option<u8>,
    },
    Refund {
        order: usize,
        amount: Option<i64>,
        key: Option<u8>,
    },
    PayOut {
        partner: usize,
        amount: Option<i64>,
        in_euros: bool,
        key: Option<u8>,
    },
    /// A call whose answer was lost, say, is made again.
    Again {
        call: usize,
    },
    /// Partners are seen where orders are, and what is due is done: orders are offered to them, say.
    Look,
    /// A partner answers one of the offers that are open.
    Answer {
        partner: usize,
        offer: usize,
        accept: bool,
    },
    /// Nobody answers one.
    RunOut {
        partner: usize,
        offer: usize,
    },
    /// An order that nobody has waits for too long.
    GiveUp {
        order: usize,
    },
    /// An order is carried on for so many steps.
    Carry {
        order: usize,
        steps: usize,
    },
    /// An order is carried to its pick-up, and its customer cancels.
    CancelLate {
        order: usize,
    },
    /// An order is delivered, and nobody says anything for a day. Whoever takes that in hand first may die of it.
    Silence {
        order: usize,
        dies: bool,
    },
    /// Any step that the order can take, cancelling say.
    Step {
        order: usize,
        step: usize,
    },
    /// A late end of an order, of which nothing is left.
    StepAndCrash {
        order: usize,
        to: OrderStatus,
    },
    Event {
        transfer: usize,
        status: TransferStatus,
        id: u8,
    },
    /// News that is taken in, and of which nothing is left.
    NewsAndCrash {
        transfer: usize,
        status: TransferStatus,
    },
    Resume,
}

/// Something that is done, and how often whoever does it looks for an answer before the line breaks: it is done once more then.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub op: Op,
    pub patience: Option<u8>,
}

/// What comes first: everybody can pay, in both currencies.
pub(super) fn filling() -> impl Iterator<Item = Act> {
    [(0, false), (0, true), (1, false), (1, true)].into_iter().map(|(customer, in_euros)| {
        let op = Op::TopUp { customer, amount: 3050, in_euros, key: None };
        Act { op, patience: None }
    })
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    (op(), prop::option::weighted(0.2, 0..8_u8)).prop_map(|(op, patience)| Act { op, patience })
}

fn op() -> impl Strategy<Value = Op> {
    // What the test provider declines, leaves pending or loses, and what goes through.
    let amount = |hundreds, rests: &'static [i64]| {
        (0..hundreds, prop::sample::select(rests)).prop_map(|(hundreds, rest)| hundreds * 100 + rest)
    };
    let end = || prop::sample::select(vec![TransferStatus::Succeeded, TransferStatus::Failed]);
    let ends =
        prop::sample::select(vec![OrderStatus::Completed, OrderStatus::Cancelled, OrderStatus::Failed]);
    let some = || 0..1000_usize;
    // Few keys, so that they are met again with another body.
    let key = || prop::option::of(0..6_u8);
    let euros = || prop::bool::weighted(0.4);
    prop_oneof![
        3 => (0..2_usize, amount(40_i64, &[2, 3, 4, 50, 60, 70]), euros(), key())
            .prop_map(|(customer, amount, in_euros, key)| Op::TopUp { customer, amount, in_euros, key }),
        6 => (0..2_usize, 0..1200_i64, euros(), prop::bool::weighted(0.7), key())
            .prop_map(|(customer, price, in_euros, on_wallet, key)| {
                Op::Place { customer, price, in_euros, on_wallet, key }
            }),
        4 => (some(), prop::option::of(1..900_i64), key())
            .prop_map(|(order, amount, key)| Op::Refund { order, amount, key }),
        5 => (0..2_usize, prop::option::of(amount(5, &[2, 3, 4, 50])), euros(), key())
            .prop_map(|(partner, amount, in_euros, key)| Op::PayOut { partner, amount, in_euros, key }),
        3 => some().prop_map(|call| Op::Again { call }),
        2 => Just(Op::Look),
        4 => (0..2_usize, some(), prop::bool::weighted(0.7))
            .prop_map(|(partner, offer, accept)| Op::Answer { partner, offer, accept }),
        2 => (0..2_usize, some()).prop_map(|(partner, offer)| Op::RunOut { partner, offer }),
        2 => some().prop_map(|order| Op::GiveUp { order }),
        8 => (some(), 2..9_usize).prop_map(|(order, steps)| Op::Carry { order, steps }),
        2 => some().prop_map(|order| Op::CancelLate { order }),
        2 => (some(), any::<bool>()).prop_map(|(order, dies)| Op::Silence { order, dies }),
        3 => (some(), some()).prop_map(|(order, step)| Op::Step { order, step }),
        2 => (some(), ends).prop_map(|(order, to)| Op::StepAndCrash { order, to }),
        3 => (some(), end(), 0..40_u8).prop_map(|(transfer, status, id)| Op::Event { transfer, status, id }),
        1 => (some(), end()).prop_map(|(transfer, status)| Op::NewsAndCrash { transfer, status }),
        1 => Just(Op::Resume),
    ]
}
