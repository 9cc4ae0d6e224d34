//! Which order each admin has on the screen. Nobody keeps that: an admin's page says it again and again.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::{OrderId, UserId};
use crate::domain::principal::{Principal, Role};
use crate::protocol::admin::ViewingView;
use crate::protocol::channel::Say;
use crate::protocol::ephemeral::EphemeralFrame;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::activities::name_of;

/// What was not said again for so long holds no more. Pages say it every 20 s.
const HOLDS: Duration = Duration::from_secs(45);

type Viewings = HashMap<UserId, (ViewingView, Instant)>;

/// Notes which order an admin has on the screen, and tells all admins.
///
/// # Errors
/// `Forbidden` for others than admins; the database's.
pub async fn view(app: &App, who: Principal, order_id: Option<OrderId>) -> Result<(), ServiceError> {
    if who.role != Role::Admin {
        return Err(ServiceError::forbidden(
            "role_not_allowed",
            "Only a user with the role admin may do this.",
        ));
    }
    // Before the name is looked up: what is said later may be known sooner.
    let (user_id, at) = (who.user_id, Instant::now());
    let name = app.read(move |conn| Ok(name_of(conn, user_id)?)).await?.unwrap_or_default();
    let viewing = ViewingView { user_id, name, order_id };
    app.groups().tell(Say::Viewing(viewing.clone()));
    note(app, viewing, at);
    Ok(())
}

/// Takes what an admin's session said at a time, here or on another instance, and tells the admins who listen here.
pub(in crate::services) fn note(app: &App, viewing: ViewingView, at: Instant) {
    let now = Instant::now();
    let mut viewings = lock(app);
    viewings.retain(|_, (_, at)| now.saturating_duration_since(*at) < HOLDS);
    if viewings.get(&viewing.user_id).is_some_and(|(_, said_at)| *said_at > at) {
        return;
    }
    // One that looks at nothing is kept as well, so that nothing older follows.
    viewings.insert(viewing.user_id, (viewing.clone(), at));
    drop(viewings);
    super::tell(app, &format!("viewing-{}", viewing.user_id), &EphemeralFrame::Viewing { viewing: &viewing });
}

/// Which order each admin has on the screen.
#[must_use]
pub(super) fn now(app: &App) -> Vec<ViewingView> {
    let now = Instant::now();
    let viewings = lock(app);
    let holding = viewings.values().filter(|(_, at)| now.saturating_duration_since(*at) < HOLDS);
    let looking = holding.filter(|(viewing, _)| viewing.order_id.is_some());
    let mut all: Vec<ViewingView> = looking.map(|(viewing, _)| viewing.clone()).collect();
    drop(viewings);
    all.sort_by(|one, other| (&one.name, one.user_id).cmp(&(&other.name, other.user_id)));
    all
}

fn lock(app: &App) -> MutexGuard<'_, Viewings> {
    app.console().viewing.lock().unwrap_or_else(PoisonError::into_inner)
}
