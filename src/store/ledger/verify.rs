//! Proves that the ledger is whole: nothing here trusts what was kept, only what was entered.

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::domain::ledger::MovementKind;
use crate::store::Conn;
use crate::store::connection;
use crate::store::error::StoreError;
use crate::store::schema::{ledger_accounts, ledger_entries, ledger_transactions};

/// The most faults that one check reports.
const FAULTS: usize = 100;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Accounts.
    pub accounts: i64,
    /// Movements.
    pub transactions: i64,
    /// Entries.
    pub entries: i64,
    /// One line for each fault; at most 100 of a kind.
    pub faults: Vec<String>,
}

#[derive(QueryableByName)]
struct Fault {
    #[diesel(sql_type = Text)]
    fault: String,
}

/// Each gives a line for each fault.
const CHECKS: [&str; 20] = [
    "SELECT 'transaction ' || e.transaction_id || ' sums to ' || SUM(e.amount) || ' ' || a.currency AS fault \
     FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id \
     GROUP BY e.transaction_id, a.currency HAVING SUM(e.amount) <> 0",
    "SELECT 'account ' || a.id || ' keeps ' || a.balance || ' after ' || a.revision || ' entries; they are ' || \
     COUNT(e.number) || ' and sum to ' || COALESCE(SUM(e.amount), 0) AS fault \
     FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id \
     GROUP BY a.id, a.balance, a.revision \
     HAVING a.balance <> COALESCE(SUM(e.amount), 0) OR a.revision <> COUNT(e.number)",
    "SELECT 'entry ' || chain.number || ' of account ' || chain.account_id || ' says ' || chain.balance_after || \
     ' and is number ' || chain.place || ' at ' || chain.total AS fault FROM \
     (SELECT account_id, number, balance_after, \
     SUM(amount) OVER (PARTITION BY account_id ORDER BY number) AS total, \
     ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY number) AS place FROM ledger_entries) chain \
     WHERE chain.balance_after <> chain.total OR chain.number <> chain.place",
    "SELECT 'account ' || a.id || ' (' || a.kind || ') was at ' || e.balance_after AS fault \
     FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id \
     WHERE (e.balance_after < 0 AND a.kind NOT IN ('cash', 'provider', 'refunds')) \
     OR (e.balance_after > 0 AND a.kind = 'cash')",
    "SELECT 'all balances in ' || currency || ' sum to ' || SUM(balance) AS fault \
     FROM ledger_accounts GROUP BY currency HAVING SUM(balance) <> 0",
    "SELECT 'held for customer ' || COALESCE(a.owner, p.customer_id) || ': ' || COALESCE(a.balance, 0) || \
     '; authorised: ' || COALESCE(p.amount, 0) AS fault FROM \
     (SELECT owner, currency, balance FROM ledger_accounts WHERE kind = 'held') a FULL JOIN \
     (SELECT customer_id, currency, SUM(amount) AS amount FROM payments WHERE status = 'authorised' \
     GROUP BY customer_id, currency) p ON p.customer_id = a.owner AND p.currency = a.currency \
     WHERE COALESCE(a.balance, 0) <> COALESCE(p.amount, 0)",
    "SELECT 'order ' || p.order_id || ' was paid ' || p.captured || '; the ledger has ' || \
     COALESCE(SUM(paid.amount), 0) AS fault FROM payments p \
     LEFT JOIN (SELECT t.order_id, e.amount FROM ledger_transactions t \
     JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id \
     WHERE t.kind IN ('capture', 'cash_order', 'cancellation_fee') AND a.kind IN ('earnings', 'revenue')) paid \
     ON paid.order_id = p.order_id \
     GROUP BY p.order_id, p.captured HAVING p.captured <> COALESCE(SUM(paid.amount), 0)",
    "SELECT 'order ' || p.order_id || ' was refunded ' || p.refunded || '; the ledger has ' || \
     COALESCE(SUM(e.amount), 0) AS fault FROM payments p \
     LEFT JOIN ledger_transactions t ON t.order_id = p.order_id AND t.kind = 'refund' \
     LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.amount > 0 \
     GROUP BY p.order_id, p.refunded HAVING p.refunded <> COALESCE(SUM(e.amount), 0)",
    "SELECT 'top-up ' || id || ' is ' || status || ', and the ledger says otherwise' AS fault FROM transfers \
     WHERE kind = 'top_up' AND (status = 'succeeded') <> \
     EXISTS (SELECT 1 FROM ledger_transactions WHERE key = 'top_up:' || transfers.id)",
    "SELECT 'pay-out ' || id || ' is ' || status || ', and the ledger says otherwise' AS fault FROM transfers \
     WHERE kind = 'pay_out' AND ((status = 'failed') <> \
     EXISTS (SELECT 1 FROM ledger_transactions WHERE key = 'pay_out_return:' || transfers.id) \
     OR NOT EXISTS (SELECT 1 FROM ledger_transactions WHERE key = 'pay_out:' || transfers.id))",
    "SELECT 'transfer ' || t.id || ' (' || t.kind || ' of ' || t.amount || ') is ' || t.status || \
     '; its owner has ' || COALESCE(SUM(moved.amount), 0) AS fault FROM transfers t \
     LEFT JOIN (SELECT m.transfer_id, a.owner, a.currency, e.amount FROM ledger_transactions m \
     JOIN ledger_entries e ON e.transaction_id = m.id JOIN ledger_accounts a ON a.id = e.account_id \
     WHERE m.kind IN ('top_up', 'pay_out', 'pay_out_return') AND a.kind IN ('wallet', 'earnings')) moved \
     ON moved.transfer_id = t.id AND moved.currency = t.currency \
     AND moved.owner = CASE t.kind WHEN 'top_up' THEN t.user_id ELSE t.partner_id END \
     GROUP BY t.id, t.kind, t.amount, t.status HAVING COALESCE(SUM(moved.amount), 0) <> CASE \
     WHEN t.kind = 'top_up' AND t.status = 'succeeded' THEN t.amount \
     WHEN t.kind = 'pay_out' AND t.status <> 'failed' THEN -t.amount ELSE 0 END",
    "SELECT 'transaction ' || m.id || ' (' || m.key || ') is of no payment and no transfer' AS fault \
     FROM ledger_transactions m \
     WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.order_id = m.order_id \
     AND m.kind NOT IN ('top_up', 'pay_out', 'pay_out_return')) \
     AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.id = m.transfer_id \
     AND m.kind IN ('top_up', 'pay_out', 'pay_out_return', 'debt'))",
    // Who has given an order back has no part in it: money moves at its end, for who has it then.
    "SELECT 'order ' || o.id || ' is of customer ' || o.customer_id || ' and partner ' || \
     COALESCE(o.partner_id, 'nobody') || ' in ' || o.price_currency || '; transaction ' || m.id || ' is its ' || \
     m.kind || ': ' || e.amount || ' ' || a.currency || ' in the ' || a.kind || ' of ' || a.owner AS fault \
     FROM ledger_transactions m JOIN orders o ON o.id = m.order_id \
     JOIN ledger_entries e ON e.transaction_id = m.id JOIN ledger_accounts a ON a.id = e.account_id \
     WHERE (a.kind IN ('wallet', 'held') AND a.owner <> o.customer_id) \
     OR (a.kind IN ('earnings', 'cash') AND a.owner <> COALESCE(o.partner_id, '')) \
     OR a.currency <> o.price_currency",
    "SELECT 'transfer ' || t.id || ' (' || t.kind || ') is of user ' || t.user_id || ' and partner ' || \
     COALESCE(t.partner_id, 'nobody') || ' in ' || t.currency || '; transaction ' || m.id || ' is its ' || \
     m.kind || ': ' || e.amount || ' ' || a.currency || ' in the ' || a.kind || ' of ' || a.owner AS fault \
     FROM ledger_transactions m JOIN transfers t ON t.id = m.transfer_id \
     JOIN ledger_entries e ON e.transaction_id = m.id JOIN ledger_accounts a ON a.id = e.account_id \
     WHERE (a.kind IN ('wallet', 'held') AND a.owner <> t.user_id) \
     OR (a.kind IN ('earnings', 'cash') AND a.owner <> COALESCE(t.partner_id, '')) \
     OR a.currency <> t.currency",
    "SELECT 'pay-out ' || t.id || ' of user ' || t.user_id || ' sends what partner ' || \
     COALESCE(t.partner_id, 'nobody') || ' has earned, who is user ' || COALESCE(p.user_id, 'nobody') AS fault \
     FROM transfers t LEFT JOIN partners p ON p.id = t.partner_id \
     WHERE t.kind = 'pay_out' AND (p.user_id IS NULL OR p.user_id <> t.user_id)",
    // What the ledger and the payments agree on is wrong all the same when the order has gone another way.
    "SELECT 'order ' || o.id || ' is ' || o.status || ', and its price is still set aside' AS fault \
     FROM orders o JOIN payments p ON p.order_id = o.id \
     WHERE p.status = 'authorised' AND o.status IN ('completed', 'cancelled', 'failed')",
    "SELECT 'order ' || o.id || ' is ' || o.status || ', and its price is not set aside: ' || \
     COALESCE('its payment is ' || p.status, 'it has no payment') AS fault \
     FROM orders o LEFT JOIN payments p ON p.order_id = o.id \
     WHERE o.payment_method = 'wallet' AND o.status NOT IN ('completed', 'cancelled', 'failed') \
     AND (p.status IS NULL OR p.status <> 'authorised')",
    // Of what was paid by hand nothing is known before an order is completed.
    "SELECT 'order ' || o.id || ' is completed at ' || o.price_amount || ', and was paid ' || \
     COALESCE(p.captured, 0) AS fault FROM orders o LEFT JOIN payments p ON p.order_id = o.id \
     WHERE o.status = 'completed' \
     AND (p.captured IS NULL OR p.captured <> o.price_amount OR p.status NOT IN ('captured', 'refunded'))",
    "SELECT 'order ' || o.id || ' is ' || o.status || ', and was paid ' || p.captured AS fault \
     FROM orders o JOIN payments p ON p.order_id = o.id \
     WHERE p.captured > 0 AND o.status NOT IN ('completed', 'cancelled')",
    // A fee for cancelling is all that is to be paid of an order in cash.
    "SELECT 'order ' || o.id || ' of customer ' || o.customer_id || ' is ' || o.price_amount || ' ' || \
     o.price_currency || ' (' || o.payment_method || '); its payment is ' || p.amount || ' ' || \
     p.currency || ' (' || p.method || ') of customer ' || p.customer_id AS fault \
     FROM orders o JOIN payments p ON p.order_id = o.id \
     WHERE p.customer_id <> o.customer_id OR p.method <> o.payment_method OR p.currency <> o.price_currency \
     OR p.amount > o.price_amount OR (p.amount < o.price_amount \
     AND NOT (o.payment_method = 'cash' AND o.status = 'cancelled'))",
];

/// A line for each entry that goes another way than movements of its kind do.
fn ways() -> String {
    let mut known = Vec::new();
    for kind in MovementKind::ALL {
        let (from, to) = kind.ways();
        known.extend(from.iter().map(|account| format!("'{kind} takes from {account}'")));
        known.extend(to.iter().map(|account| format!("'{kind} gives to {account}'")));
    }
    format!(
        "SELECT 'transaction ' || m.id || ' (' || m.kind || ') ' || \
         CASE WHEN e.amount < 0 THEN 'takes ' || -e.amount || ' from ' ELSE 'gives ' || e.amount || ' to ' END || \
         a.kind AS fault \
         FROM ledger_entries e JOIN ledger_transactions m ON m.id = e.transaction_id \
         JOIN ledger_accounts a ON a.id = e.account_id \
         WHERE m.kind || CASE WHEN e.amount < 0 THEN ' takes from ' ELSE ' gives to ' END || a.kind \
         NOT IN ({})",
        known.join(", ")
    )
}

/// Adds up the whole ledger, as it stands at one moment while others go on.
///
/// # Errors
/// When the database fails. A fault of the ledger is none: it is in the report.
pub fn verify(conn: &mut Conn) -> Result<Report, StoreError> {
    connection::at_one_moment(conn, |conn| {
        let mut faults = Vec::new();
        let ways = ways();
        for check in CHECKS.into_iter().chain([ways.as_str()]) {
            let found: Vec<Fault> = diesel::sql_query(check).load(conn)?;
            faults.extend(found.into_iter().take(FAULTS).map(|row| row.fault));
        }
        Ok(Report {
            accounts: ledger_accounts::table.count().get_result(conn)?,
            transactions: ledger_transactions::table.count().get_result(conn)?,
            entries: ledger_entries::table.count().get_result(conn)?,
            faults,
        })
    })
}
