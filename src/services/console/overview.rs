//! What admins see first: how many orders stand where, the latest of them, who is online, what is wrong.

use std::time::Duration;

use crate::domain::order::Party;
use crate::domain::time::Timestamp;
use crate::protocol::admin::DashboardView;
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::services::orders;
use crate::store::console;
use crate::store::orders::{self as rows, Filter};

use super::{claims, exceptions, health, viewing};

/// The most orders and users in one answer.
const MAX_RECENT: i64 = 20;
const MAX_ONLINE: usize = 200;

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the whole operation at a glance.
///
/// # Errors
/// The database's; `Internal` when a part of the server is gone.
pub async fn overview(app: &App) -> Result<DashboardView, ServiceError> {
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
    let since = Timestamp::now().before(DAY);
    let (by_status, latest, last_day, partners) = app
        .read(move |conn| {
            let by_status = rows::count_by_status(conn)?;
            let latest = rows::list(conn, &Filter::default(), MAX_RECENT)?;
            Ok((by_status, latest, console::last_day(conn, since)?, console::partner_counts(conn)?))
        })
        .await?;
    Ok(DashboardView {
        orders: by_status.into_iter().map(|(status, count)| (status.as_str(), count)).collect(),
        last_day,
        recent: latest.iter().map(|order| orders::view(app, order, Party::Admin)).collect(),
        sessions: counts.sessions + others.sessions,
        users_online,
        online,
        partners,
        health: health::view(app),
        exceptions: exceptions(app).await?,
        claims: claims(app).await?,
        viewing: viewing::now(app),
    })
}
