//! What each user wants to hear of, and by which channel.

use crate::domain::notification::{Choice, Preference, Preferences};
use crate::domain::principal::Principal;
use crate::services::app::{App, Tx};
use crate::services::error::{Checks, ServiceError};
use crate::store::notifications as rows;

/// The whole table of the caller's preferences: every kind that can reach somebody of that role, on every channel.
///
/// # Errors
/// When the database fails.
pub async fn preferences(app: &App, who: Principal) -> Result<Vec<Preference>, ServiceError> {
    let user_id = who.user_id;
    let stored = app.read(move |conn| Ok(rows::choices(conn, user_id)?)).await?;
    Ok(Preferences::from_stored(stored).matrix(who.role).collect())
}

/// Sets some cells of that table, all of them or none, and gives the whole of it. Cells that are not named stay
/// as they are; of two choices for one cell the later one holds.
///
/// # Errors
/// `Invalid`, naming each choice that cannot be made: what protects the account cannot be switched off, and
/// what is for another role cannot be chosen.
pub async fn set_preferences(
    app: &App,
    who: Principal,
    choices: Vec<Choice>,
) -> Result<Vec<Preference>, ServiceError> {
    check(who, &choices)?;
    app.write(move |tx| store(tx, who, choices)).await
}

fn check(who: Principal, choices: &[Choice]) -> Result<(), ServiceError> {
    let mut checks = Checks::default();
    for (position, choice) in choices.iter().enumerate() {
        if !choice.kind.concerns(who.role) {
            let message = format!("{} is not for users with the role {}", choice.kind, who.role);
            checks.fail(&format!("preferences[{position}].type"), "not_applicable", message);
        } else if let Err(error) = Preferences::default().set(choice.kind, choice.channel, choice.enabled) {
            let field = format!("preferences[{position}].enabled");
            checks.fail(&field, "cannot_switch_off", error.to_string());
        }
    }
    checks.done()
}

fn store(tx: &mut Tx<'_>, who: Principal, choices: Vec<Choice>) -> Result<Vec<Preference>, ServiceError> {
    // Two calls at once would otherwise each keep what the other has just changed.
    rows::lock_inbox(tx.conn(), who.user_id)?;
    let before = Preferences::from_stored(rows::choices(tx.conn(), who.user_id)?);
    let mut after = before.clone();
    after
        .set_all(choices)
        .map_err(|error| ServiceError::invalid("preferences", "cannot_switch_off", error.to_string()))?;
    let is_in =
        |preferences: &Preferences, choice: &Choice| preferences.overrides().any(|own| own == *choice);
    for choice in after.overrides().filter(|choice| !is_in(&before, choice)) {
        rows::put_choice(tx.conn(), who.user_id, choice)?;
    }
    let kept = |choice: &Choice| {
        after.overrides().any(|own| (own.kind, own.channel) == (choice.kind, choice.channel))
    };
    for choice in before.overrides().filter(|choice| !kept(choice)) {
        rows::remove_choice(tx.conn(), who.user_id, choice.kind, choice.channel)?;
    }
    Ok(after.matrix(who.role).collect())
}
