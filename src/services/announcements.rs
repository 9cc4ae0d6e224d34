//! Announcements: what an admin has to say to everybody.
//!
//! The call only stores it. A job then takes it through the users, some in each transaction together with how
//! far it has come, so that a crash neither leaves anybody out nor tells anybody twice.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::AnnouncementId;
use crate::domain::notification::{Line, NotificationContent, Paragraph};
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;
use crate::store::announcements::{self as rows, Announcement};

use super::app::{App, Reply, Tx};
use super::console;
use super::error::{Checks, ServiceError};
use super::idempotency::Idempotency;
use super::notifications;

/// Users in one transaction. Few, since SQLite lets nobody else write meanwhile.
const BATCH: i64 = 100;

/// What to announce.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnnouncement {
    /// One line, 1 to 60 characters.
    #[schema(min_length = 1, max_length = 60)]
    pub title: String,
    /// One paragraph, 1 to 240 characters.
    #[schema(min_length = 1, max_length = 240)]
    pub text: String,
}

/// An announcement.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AnnouncementView {
    /// Its id.
    pub id: AnnouncementId,
    /// As users read it.
    pub title: String,
    /// As users read it.
    pub text: String,
    /// When it was made. Who registered later does not get it.
    pub created_at: Timestamp,
}

/// Takes an announcement in; everybody who has an account gets it as a notification soon after. Whether the
/// caller may announce is the caller's to check.
///
/// # Errors
/// `Invalid` when a text is empty or too long; `Conflict` when the key came with another request.
pub async fn announce(
    app: &App,
    who: Principal,
    new: NewAnnouncement,
    key: Option<Idempotency>,
) -> Result<Reply, ServiceError> {
    let mut checks = Checks::default();
    checks.text("title", &new.title, 1..=60);
    checks.text("text", &new.text, 1..=240);
    checks.done()?;
    app.write_once(key, 201, move |tx| store(tx, who, &new)).await
}

fn store(tx: &mut Tx<'_>, who: Principal, new: &NewAnnouncement) -> Result<AnnouncementView, ServiceError> {
    let announcement = Announcement {
        id: AnnouncementId::new(),
        title: Line::new(&new.title).to_string(),
        text: Paragraph::new(&new.text).to_string(),
        created_at: tx.now(),
        reached: None,
    };
    rows::insert(tx.conn(), &announcement, who.user_id)?;
    console::note(tx, (who.user_id, who.role), "announced", None)?;
    let Announcement { id, title, text, created_at, reached: _ } = announcement;
    Ok(AnnouncementView { id, title, text, created_at })
}

/// Takes the oldest unfinished announcement to the next users. `false` when there is none to do.
///
/// # Errors
/// When the database fails; nobody was told then.
pub async fn spread(app: &App) -> Result<bool, ServiceError> {
    // A look without a lock: mostly there is nothing to do, and nobody's writing need wait for that.
    if !app.read(|conn| Ok(rows::is_any_unfinished(conn)?)).await? {
        return Ok(false);
    }
    app.write(spread_in).await
}

fn spread_in(tx: &mut Tx<'_>) -> Result<bool, ServiceError> {
    let Some(announcement) = rows::take_unfinished(tx.conn())? else { return Ok(false) };
    let next = rows::next_users(tx.conn(), &announcement, BATCH)?;
    let Some(&last) = next.last() else {
        let now = tx.now();
        rows::finish(tx.conn(), announcement.id, now)?;
        return Ok(true);
    };
    let content = NotificationContent::Announcement {
        title: Line::new(&announcement.title),
        text: Paragraph::new(&announcement.text),
    };
    notifications::add_all(tx, next.into_iter().map(|user_id| (user_id, content.clone())).collect())?;
    rows::set_reached(tx.conn(), announcement.id, last)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use crate::domain::principal::Role;
    use crate::services::testing::TestApp;
    use crate::store::notifications::Filter;

    use super::*;

    fn news(title: &str) -> NewAnnouncement {
        NewAnnouncement { title: title.into(), text: "From Monday on.".into() }
    }

    async fn titles(app: &App, who: Principal) -> Vec<String> {
        let found = notifications::list(app, who, Filter::default(), 10).await.expect("a list");
        found.into_iter().map(|notification| notification.title).collect()
    }

    #[actix_web::test]
    async fn everybody_is_told_once_however_many_spread_it() {
        for app in TestApp::each() {
            let admin = app.user(Role::Admin).await;
            let mut users = vec![admin];
            for _ in 0..BATCH + 20 {
                users.push(app.user(Role::Customer).await);
            }
            for title in ["Old news", "Good news"] {
                announce(&app, admin, news(title), None).await.expect("taken in");
            }
            let spread_all = || async { while spread(&app).await.expect("spread") {} };
            join_all((0..3).map(|_| spread_all())).await;
            // One that found another's row locked may have stopped early.
            spread_all().await;
            for who in users {
                // Two that are spread at the same time may come in either order.
                let mut told = titles(&app, who).await;
                told.sort_unstable();
                assert_eq!(told, ["Good news", "Old news"]);
            }
            assert!(!spread(&app).await.expect("nothing left"));
        }
    }

    #[actix_web::test]
    async fn what_says_nothing_or_too_much_is_refused() {
        for app in TestApp::each() {
            let admin = app.user(Role::Admin).await;
            for title in ["", " ", &"x".repeat(61)] {
                let refused = announce(&app, admin, news(title), None).await;
                assert!(matches!(refused, Err(ServiceError::Invalid(_))), "{title:?}");
            }
        }
    }
}
