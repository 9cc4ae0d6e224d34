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
    let user_id = who.user_id;
    let name = app.read(move |conn| Ok(name_of(conn, user_id)?)).await?.unwrap_or_default();
    let viewing = ViewingView { user_id, name, order_id };
    app.groups().tell(Say::Viewing(viewing.clone()));
    note(app, viewing);
    Ok(())
}

/// Takes what an admin's session said, here or on another instance, and tells the admins who listen here.
pub(in crate::services) fn note(app: &App, viewing: ViewingView) {
    let now = Instant::now();
    let mut viewings = lock(app);
    viewings.retain(|_, (_, at)| now.saturating_duration_since(*at) < HOLDS);
    if viewing.order_id.is_some() {
        viewings.insert(viewing.user_id, (viewing.clone(), now));
    } else {
        viewings.remove(&viewing.user_id);
    }
    drop(viewings);
    super::tell(app, &format!("viewing-{}", viewing.user_id), &EphemeralFrame::Viewing { viewing: &viewing });
}

/// Which order each admin has on the screen.
#[must_use]
pub(super) fn now(app: &App) -> Vec<ViewingView> {
    let now = Instant::now();
    let viewings = lock(app);
    let holding = viewings.values().filter(|(_, at)| now.saturating_duration_since(*at) < HOLDS);
    let mut all: Vec<ViewingView> = holding.map(|(viewing, _)| viewing.clone()).collect();
    drop(viewings);
    all.sort_by(|one, other| (&one.name, one.user_id).cmp(&(&other.name, other.user_id)));
    all
}

fn lock(app: &App) -> MutexGuard<'_, Viewings> {
    app.console().viewing.lock().unwrap_or_else(PoisonError::into_inner)
}
