//! What other instances say, and what is done about it.

use std::pin::pin;
use std::time::Instant;

use crate::domain::time::Timestamp;
use crate::protocol::channel::{Dot, Say};

use super::app::App;
use super::console;

/// Runs until `stop` resolves.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let Some(mut says) = app.groups().take_says() else { return stop.await };
    loop {
        let say = tokio::select! {
            () = &mut stop => return,
            say = says.recv() => say,
        };
        match say {
            Some(say) => heed(&app, say),
            // The bridge has ended: nobody says anything any more.
            None => return stop.await,
        }
    }
}

fn heed(app: &App, say: Say) {
    match say {
        // Others would only pass it on, to each other and for ever.
        Say::Bell if app.leadership().term().is_some() => app.outbox_bell().notify_one(),
        Say::Bell => {}
        Say::Vacant => app.leadership().wake(),
        Say::EndSessions { user_id, family_id, reason } => {
            // First, so that whoever comes in anew is looked up anew.
            app.principals().forget(user_id);
            app.groups().end_sessions(user_id, family_id, reason);
        }
        Say::Located { orders, sample } => {
            let dot = |order_id| Dot { order_id, sample: sample.clone(), eta: None };
            app.last_seen().take_from_elsewhere(
                orders.into_iter().map(dot).collect(),
                Timestamp::now(),
                Instant::now(),
            );
        }
        Say::Dots { dots } => app.last_seen().take_from_elsewhere(dots, Timestamp::now(), Instant::now()),
        Say::Watched { orders } => app.tracking().note_watched(orders, Instant::now()),
        Say::Positions { partners } => app.tracking().positions().note_judged(&partners),
        Say::Counted { limit, key } => app.guard().count_from_elsewhere(&limit, key, Instant::now()),
        Say::Health(health) => app.console().note_health(*health, Instant::now()),
        Say::Viewing(viewing) => console::note_viewing(app, viewing, Instant::now()),
        // Said on when an instance has come, which knows of nobody yet but those who are in the database.
        Say::Here(_) => app.tracking().positions().tell_again(Timestamp::now()),
        // The bridge deals with these.
        Say::Leaving | Say::Replace { .. } => {}
    }
}
