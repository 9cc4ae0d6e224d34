//! One instance.

use super::*;
use crate::domain::order::{OrderStatus, Standing};
use crate::protocol::channel::Slot;
use crate::protocol::ephemeral::LOCATION;

#[actix_web::test]
async fn members_hear_every_event_in_one_order_numbered_without_holes() {
    for instance in Instance::each().await {
        let key = any_group();
        let (first, _) = instance.join(key, None).await;
        instance.count(key, [1, 2]).await;
        let (second, joined) = instance.join(key, None).await;
        instance.count(key, [3, 4, 5]).await;
        assert_eq!(first.numbers(5).await, [1, 2, 3, 4, 5]);
        let behind = usize::try_from(5 - joined.seq).expect("a few");
        assert_eq!(second.numbers(behind).await.last(), Some(&5));
    }
}

#[actix_web::test]
async fn who_comes_back_gets_exactly_what_was_missed_or_is_told_that_a_snapshot_is_needed() {
    for instance in Instance::each().await {
        let key = any_group();
        let (ear, joined) = instance.join(key, None).await;
        let begin = joined.seq;
        instance.count(key, 1..=6).await;
        assert_eq!(ear.numbers(6).await, [1, 2, 3, 4, 5, 6]);
        let (_, joined) = instance.join(key, since(&joined, begin + 4)).await;
        assert_eq!(missed(&joined), Some(vec![5, 6]));
        let (_, joined) = instance.join(key, since(&joined, begin + 6)).await;
        assert_eq!(missed(&joined), Some(vec![]));
        for seq in [begin + 1, begin + 7, u64::MAX] {
            let (_, joined) = instance.join(key, since(&joined, seq)).await;
            assert_eq!(missed(&joined), None, "{seq}");
        }
        let elsewhere = Some(Since { epoch: "another".into(), seq: begin + 6 });
        let (_, joined) = instance.join(key, elsewhere).await;
        assert_eq!(missed(&joined), None);
    }
}

#[actix_web::test]
async fn an_older_state_never_follows_a_newer_one_and_who_comes_back_has_the_latest() {
    for instance in Instance::each().await {
        let key = any_group();
        let (ear, joined) = instance.join(key, None).await;
        instance.relay(vec![state(key, 3), state(key, 2), state(key, 4), counted(key, 1)]).await;
        assert_eq!(ear.hear("level").await["revision"], 3);
        let next = ear.hear("level").await;
        assert_eq!((&next["revision"], &next["seq"]), (&json!(4), &Value::Null));
        assert_eq!(ear.numbers(1).await, [1]);
        let (_, joined) = instance.join(key, since(&joined, joined.seq)).await;
        let Recovery::Events { states, events, .. } = &joined.recovery else { panic!("{joined:?}") };
        assert_eq!((states.len(), events.len()), (1, 1));
        assert!(states[0].text().contains("\"revision\":4"));
    }
}

#[actix_web::test]
async fn who_has_lost_the_right_is_told_and_hears_nothing_more() {
    for instance in Instance::each().await {
        let key = any_group();
        let user_id = UserId::new();
        let (mut out, _) = instance.join_as(user_id, key, None).await;
        let (stays, _) = instance.join(key, None).await;
        instance.relay(vec![counted(key, 1), Dispatch::Expel { group: key, user_id }, counted(key, 2)]).await;
        assert_eq!(stays.numbers(2).await, [1, 2]);
        assert!(matches!(out.told().await, Deliver::Expelled { group } if group == key));
        assert_eq!(out.numbers(1).await, [1]);
        out.lane.shut(key);
        let next = std::future::poll_fn(|cx| Poll::Ready(out.lane.poll_next(cx).is_pending()));
        assert!(next.await, "something came after");
    }
}

#[actix_web::test]
async fn an_ephemeral_frame_has_no_number_and_nobody_keeps_it() {
    for instance in Instance::each().await {
        let key = any_group();
        let (ear, joined) = instance.join(key, None).await;
        let body = json!({"type": "dot", "spot": [1, 2]}).to_string();
        let told = instance.groups.publish_ephemeral(key, EventId::new(), "dot".into(), body.into());
        told.expect("it is taken");
        let dot = ear.hear("dot").await;
        assert_eq!((&dot["spot"], &dot["seq"], &dot["group"]), (&json!([1, 2]), &Value::Null, &json!(key)));
        let (_, joined) = instance.join(key, since(&joined, joined.seq)).await;
        assert_eq!(missed(&joined), Some(vec![]));
    }
}

#[actix_web::test]
async fn a_position_that_comes_late_follows_no_later_one() {
    for instance in Instance::each().await {
        let key = any_group();
        let (ear, _) = instance.join(key, None).await;
        for at in [2, 1, 2, 3] {
            let body = json!({"type": LOCATION, "at_that": at}).to_string();
            let slot = Slot { name: LOCATION, since: Some(Timestamp::from_millis(at)) };
            let told = instance.groups.publish_ephemeral(key, EventId::new(), slot, body.into());
            told.expect("it is taken");
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&json!(3)) {
            heard.push(ear.hear(LOCATION).await["at_that"].clone());
        }
        // A session that is behind gets the last alone.
        assert!(heard.iter().is_sorted_by_key(|at| at.as_i64()), "{heard:?}");
    }
}

#[actix_web::test]
async fn once_its_members_know_that_an_order_is_not_under_way_they_see_no_position_of_before() {
    for instance in Instance::each().await {
        let key = GroupKey::Order(OrderId::new());
        let (ear, _) = instance.join(key, None).await;
        let publish = |kind: &str, number: usize| {
            let body = json!({"type": kind, "number": number}).to_string();
            let told = instance.groups.publish_ephemeral(key, EventId::new(), kind.into(), body.into());
            told.expect("it is taken");
        };
        let steps =
            [("in_transit", 5), ("delivered", 6), ("in_transit", 5), ("confirmed", 7), ("en_route", 8)];
        for (number, (status, version)) in steps.into_iter().enumerate() {
            // With its type first, as all frames are written.
            let update = json!({"status": status, "version": version});
            let frame = format!("{{\"type\":\"order_update\",\"update\":{update}}}");
            let frame = RawValue::from_string(frame).expect("JSON");
            instance.relay(vec![Dispatch::Publish { groups: vec![key], frame }]).await;
            assert_eq!(ear.hear("order_update").await["update"]["version"], version);
            publish(LOCATION, number);
            // It comes by the same way.
            publish("mark", number);
            let mut heard = Vec::new();
            while heard.last() != Some(&json!("mark")) {
                let frame: Value = serde_json::from_str(ear.frame().await.text()).expect("JSON");
                heard.push(frame["type"].clone());
            }
            let shows = status == "en_route" || number == 0;
            assert_eq!(heard.contains(&json!(LOCATION)), shows, "{heard:?} in {status}, version {version}");
        }
    }
}

#[actix_web::test]
async fn what_a_snapshot_says_of_an_order_counts_where_its_events_are_behind() {
    for instance in Instance::each().await {
        let key = GroupKey::Order(OrderId::new());
        let (ear, _) = instance.join(key, None).await;
        let frame = r#"{"type":"order_update","update":{"status":"assigned","version":3}}"#;
        let frame = RawValue::from_string(frame.into()).expect("JSON");
        instance.relay(vec![Dispatch::Publish { groups: vec![key], frame }]).await;
        ear.hear("order_update").await;
        // The step to version 4 was lost with a Redis, and the session was given a snapshot.
        ear.lane.note_standing(key, Standing { version: 4, status: OrderStatus::EnRoute });
        let body = json!({"type": LOCATION}).to_string();
        let told = instance.groups.publish_ephemeral(key, EventId::new(), LOCATION.into(), body.into());
        told.expect("it is taken");
        ear.hear(LOCATION).await;
    }
}

#[actix_web::test]
async fn who_listens_is_known_from_the_first_member_to_the_last() {
    for instance in Instance::each().await {
        let key = GroupKey::Order(OrderId::new());
        assert_eq!(instance.groups.listeners(key).await.users, []);
        let user_id = UserId::new();
        let (mut ear, joined) = instance.join_as(user_id, key, None).await;
        assert_eq!(instance.groups.listeners(key).await.users, [user_id]);
        assert_eq!(instance.groups.listeners(GroupKey::Order(OrderId::new())).await.users, []);
        instance.relay(vec![Dispatch::Expel { group: joined.group, user_id }]).await;
        assert!(matches!(ear.told().await, Deliver::Expelled { group } if group == key));
        assert_eq!(instance.groups.listeners(key).await.users, []);
    }
}

#[actix_web::test]
async fn what_was_written_in_the_time_of_another_partner_is_passed_over_and_a_snapshot_takes_its_place() {
    for instance in Instance::each().await {
        let (key, [earlier, later]) = (any_group(), [(); 2].map(|()| PartnerId::new()));
        let (customer, _) = instance.join(key, None).await;
        let (mut partner, _) = instance.join_as_partner(Some(later), UserId::new(), key, None).await;
        let written = |partner_id: PartnerId, text: &str| {
            let message = json!({"partner_id": partner_id, "text": text});
            // With its type first, as all frames are written.
            let frame = format!("{{\"type\":\"chat_message\",\"message\":{message}}}");
            Dispatch::Publish { groups: vec![key], frame: RawValue::from_string(frame).expect("JSON") }
        };
        instance.relay(vec![written(earlier, "before"), written(later, "now")]).await;
        for text in ["before", "now"] {
            assert_eq!(customer.hear("chat_message").await["message"]["text"], text);
        }
        let joined = partner.joined().await;
        assert!(joined.is_again && matches!(joined.recovery, Recovery::SnapshotNeeded), "{joined:?}");
        partner.lane.open(key, joined.round, i64::MIN);
        assert_eq!(partner.hear("chat_message").await["message"]["text"], "now");
    }
}
