//! What users choose to hear of.

use super::*;
use crate::domain::notification::{AccountChange, Channel, Choice, NotificationKind, Preference};
use crate::services::notifications::preferences;

fn choice(kind: NotificationKind, channel: Channel, enabled: bool) -> Choice {
    Choice { kind, channel, enabled }
}

fn cell(table: &[Preference], kind: NotificationKind, channel: Channel) -> bool {
    let found = table.iter().find(|cell| (cell.kind, cell.channel) == (kind, channel));
    found.expect("a cell of the table").enabled
}

#[actix_web::test]
async fn what_is_turned_off_neither_comes_in_nor_counts_until_it_is_turned_on_again() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let kind = NotificationKind::OrderConfirmed;
        for (enabled, count) in [(false, 0), (true, 1)] {
            let wish = vec![choice(kind, Channel::InApp, enabled)];
            set_preferences(&app, customer, wish).await.expect("chosen");
            notify(&app, customer.user_id, confirmed()).await;
            assert_eq!(counted(&app, customer).await, (count, count));
            assert_eq!(letters(&outbox_rows(&app).await, customer.user_id).len() as i64, count);
        }
    }
}

#[actix_web::test]
async fn other_kinds_other_channels_and_other_users_are_not_touched() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let other = app.user(Role::Customer).await;
        let wishes = vec![
            choice(NotificationKind::OrderDelivered, Channel::InApp, false),
            choice(NotificationKind::OrderConfirmed, Channel::Push, false),
        ];
        let answer = set_preferences(&app, customer, wishes).await.expect("chosen");
        assert_eq!(preferences(&app, customer).await.expect("a table"), answer);
        assert!(!cell(&answer, NotificationKind::OrderConfirmed, Channel::Push));
        assert!(cell(&answer, NotificationKind::OrderConfirmed, Channel::InApp));
        let others = preferences(&app, other).await.expect("a table");
        assert!(cell(&others, NotificationKind::OrderConfirmed, Channel::Push));

        notify(&app, customer.user_id, confirmed()).await;
        assert_eq!(counted(&app, customer).await.0, 1);
        let order_id = OrderId::new();
        notify(&app, customer.user_id, NotificationContent::OrderDelivered { order_id }).await;
        assert_eq!(counted(&app, customer).await.0, 1);
    }
}

#[actix_web::test]
async fn security_stays_on_and_of_several_choices_with_it_none_is_kept() {
    for app in TestApp::each() {
        let customer = app.user(Role::Customer).await;
        let wishes = vec![
            choice(NotificationKind::OrderConfirmed, Channel::InApp, false),
            choice(NotificationKind::AccountUpdated, Channel::InApp, false),
            choice(NotificationKind::PayoutSent, Channel::Email, false),
        ];
        let Err(ServiceError::Invalid(errors)) = set_preferences(&app, customer, wishes).await else {
            panic!("accepted")
        };
        let errors: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code.as_ref())).collect();
        assert_eq!(
            errors,
            [("preferences[1].enabled", "cannot_switch_off"), ("preferences[2].type", "not_applicable")]
        );
        notify(&app, customer.user_id, confirmed()).await;
        let change = AccountChange::Password;
        notify(&app, customer.user_id, NotificationContent::AccountUpdated { change }).await;
        assert_eq!(counted(&app, customer).await.0, 2);
    }
}
