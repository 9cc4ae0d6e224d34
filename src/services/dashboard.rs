//! What admins see first: how many orders stand where, the latest of them, and who is online.

use crate::domain::order::Party;
use crate::protocol::snapshot::DashboardView;
use crate::store::orders::{self as rows, Filter};

use super::app::App;
use super::error::ServiceError;
use super::orders;

/// The most orders and users in one answer.
const MAX_RECENT: i64 = 20;
const MAX_ONLINE: usize = 200;

/// Reads the dashboard.
///
/// # Errors
/// The database's; `Internal` when a part of the server is gone.
pub async fn read(app: &App) -> Result<DashboardView, ServiceError> {
    let gone = |error: crate::realtime::ProbeFailed| ServiceError::Internal(error.to_string());
    let counts = app.groups().count().await.map_err(gone)?;
    let mut online = app.groups().online(MAX_ONLINE).await.map_err(gone)?;
    let others = app.groups().peers();
    // Who has sessions on two instances is counted on both, and listed once.
    for user_id in others.online {
        if online.len() < MAX_ONLINE && !online.contains(&user_id) {
            online.push(user_id);
        }
    }
    // A list that is not full names everybody.
    let users_online = if online.len() < MAX_ONLINE { online.len() } else { counts.users + others.users };
    let (by_status, latest) = app
        .read(|conn| Ok((rows::count_by_status(conn)?, rows::list(conn, &Filter::default(), MAX_RECENT)?)))
        .await?;
    Ok(DashboardView {
        orders: by_status.into_iter().map(|(status, count)| (status.as_str(), count)).collect(),
        recent: latest.iter().map(|order| orders::view(app, order, Party::Admin)).collect(),
        sessions: counts.sessions + others.sessions,
        users_online,
        online,
    })
}
