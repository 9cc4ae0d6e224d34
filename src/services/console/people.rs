//! Lists of partners and users, and where partners are.

use std::collections::{HashMap, HashSet};

use crate::domain::ids::{PartnerId, UserId};
use crate::domain::time::Timestamp;
use crate::protocol::admin::{PartnerPositionView, PartnerRowView, UserRowView};
use crate::services::app::App;
use crate::services::error::ServiceError;
use crate::store::console::{self as rows, People, UserRow};

/// Users with a session who are looked at, of this instance; of each other one some hundred are known.
const ONLINE: usize = 1_000;

/// Partners, newest account first.
///
/// # Errors
/// The database's.
pub async fn partners(app: &App, list: People, limit: i64) -> Result<Vec<PartnerRowView>, ServiceError> {
    let (partners, mut in_hand) = app
        .read(move |conn| {
            let partners = rows::partners(conn, &list, limit)?;
            let ids: Vec<PartnerId> = partners.iter().map(|partner| partner.id).collect();
            let in_hand = rows::in_hand(conn, &ids)?;
            Ok((partners, in_hand))
        })
        .await?;
    let seen: HashMap<PartnerId, PartnerPositionView> =
        positions(app).into_iter().map(|seen| (seen.partner_id, seen)).collect();
    let view = |partner: rows::PartnerRow| PartnerRowView {
        orders: in_hand.remove(&partner.id).unwrap_or_default(),
        position: seen.get(&partner.id).copied(),
        id: partner.id,
        user_id: partner.user_id,
        name: partner.name,
        email: partner.email,
        online: partner.online,
        online_changed_at: partner.online_changed_at,
        rating: partner.rating,
    };
    Ok(partners.into_iter().map(view).collect())
}

/// Where partners were seen within the last ten minutes.
#[must_use]
pub fn positions(app: &App) -> Vec<PartnerPositionView> {
    app.tracking().positions().all(Timestamp::now()).iter().map(Into::into).collect()
}

/// Users, newest account first. With `online`, only those who have a session, as far as that is known, or only the others.
///
/// # Errors
/// The database's; `Internal` when a part of the server is gone.
pub async fn users(
    app: &App,
    list: People,
    online: Option<bool>,
    limit: i64,
) -> Result<Vec<UserRowView>, ServiceError> {
    let gone = |error: crate::realtime::ProbeFailed| ServiceError::Internal(error.to_string());
    let mut present: HashSet<UserId> = app.groups().online(ONLINE).await.map_err(gone)?.into_iter().collect();
    present.extend(app.groups().peers().online);
    let view = |user: UserRow| UserRowView {
        online: present.contains(&user.id),
        id: user.id,
        name: user.name,
        email: user.email,
        role: user.role,
        partner_id: user.partner_id,
        locale: user.locale,
        created_at: user.created_at,
    };
    let found = match online {
        None => app.read(move |conn| Ok(rows::users(conn, &list, limit)?)).await?,
        Some(true) => among(app, present.iter().copied().collect(), list, limit).await?,
        Some(false) => beside(app, &present, list, limit).await?,
    };
    Ok(found.into_iter().map(view).collect())
}

/// Those of these users whom a list is to hold.
async fn among(
    app: &App,
    mut present: Vec<UserId>,
    list: People,
    limit: i64,
) -> Result<Vec<UserRow>, ServiceError> {
    // The newest first, as in all lists.
    present.sort_unstable_by(|one, other| other.cmp(one));
    app.read(move |conn| {
        let (mut found, enough) = (Vec::new(), usize::try_from(limit).unwrap_or(usize::MAX));
        for chunk in present.chunks(rows::AMONG) {
            let list = People { among: Some(chunk.to_vec()), ..list.clone() };
            found.extend(rows::users(conn, &list, limit)?);
            if found.len() >= enough {
                break;
            }
        }
        found.truncate(enough);
        Ok(found)
    })
    .await
}

/// Those whom a list is to hold, without these users: who is here is not in the database, which is read until there are
/// enough others.
async fn beside(
    app: &App,
    present: &HashSet<UserId>,
    mut list: People,
    limit: i64,
) -> Result<Vec<UserRow>, ServiceError> {
    let (mut found, enough) = (Vec::new(), usize::try_from(limit).unwrap_or(usize::MAX));
    loop {
        let asked = list.clone();
        let page = app.read(move |conn| Ok(rows::users(conn, &asked, limit)?)).await?;
        let is_last = page.len() < enough;
        list.before = page.last().map(|user| user.id).or(list.before);
        found.extend(page.into_iter().filter(|user| !present.contains(&user.id)));
        if is_last || found.len() >= enough {
            found.truncate(enough);
            return Ok(found);
        }
    }
}
