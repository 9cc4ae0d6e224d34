//! Several instances with Redis between them, where the environment names one.

use super::*;
use crate::protocol::channel::group_name;
use crate::realtime::bridge::Link;

/// Two that share a Redis, for each Redis of the tests.
async fn pairs() -> Vec<(Instance, Instance)> {
    let mut pairs = Vec::new();
    for redis in redises() {
        let prefix = new_prefix();
        pairs.push((Instance::with(&redis, &prefix).await, Instance::with(&redis, &prefix).await));
    }
    pairs
}

/// Does something to Redis behind everybody's back.
async fn meddle(redis: &RedisServers, commands: &[&[&str]]) {
    let link = Link::open(redis, |_| {}).await.expect("Redis answers");
    for words in commands {
        let mut cmd = redis::cmd(words[0]);
        cmd.arg(&words[1..]);
        link.ask(cmd).await.expect("it is done");
    }
}

#[actix_web::test]
async fn members_on_two_instances_hear_the_same_under_the_same_numbers() {
    for (here, there) in pairs().await {
        let key = any_group();
        let ((first, one), (second, other)) = (here.join(key, None).await, there.join(key, None).await);
        assert_eq!((&one.epoch, one.seq), (&other.epoch, other.seq));
        here.count(key, [1, 2]).await;
        there.count(key, [3]).await;
        here.count(key, [4]).await;
        for ear in [&first, &second] {
            assert_eq!(ear.numbers(4).await, [1, 2, 3, 4]);
        }
        let (_, joined) = there.join(key, since(&one, one.seq + 2)).await;
        assert_eq!(missed(&joined), Some(vec![3, 4]));
    }
}

#[actix_web::test]
async fn what_may_have_been_published_before_is_not_published_twice() {
    for (here, there) in pairs().await {
        let key = any_group();
        let (ear, _) = there.join(key, None).await;
        let batch: Vec<_> = (1..=3).map(|number| outgoing(counted(key, number))).collect();
        here.try_relay(batch.clone(), 1, false).await.expect("they are taken");
        let mut again = batch;
        again.push(outgoing(counted(key, 4)));
        here.try_relay(again, 2, true).await.expect("they are taken");
        assert_eq!(ear.numbers(4).await, [1, 2, 3, 4]);
    }
}

#[actix_web::test]
async fn who_has_lost_the_lease_is_refused() {
    for (here, there) in pairs().await {
        let key = any_group();
        let (ear, _) = here.join(key, None).await;
        there.try_relay(vec![outgoing(counted(key, 1))], 7, false).await.expect("it is taken");
        let refused = here.try_relay(vec![outgoing(counted(key, 0))], 6, false).await;
        assert_eq!(refused, Err(RelayError::Fenced(7)));
        there.try_relay(vec![outgoing(counted(key, 2))], 7, false).await.expect("it is taken");
        assert_eq!(ear.numbers(2).await, [1, 2]);
    }
}

#[actix_web::test]
async fn a_numbering_that_redis_has_lost_begins_anew_and_members_are_told() {
    for redis in redises() {
        let prefix = new_prefix();
        let instance = Instance::with(&redis, &prefix).await;
        let key = any_group();
        let (mut ear, before) = instance.join(key, None).await;
        instance.count(key, [1]).await;
        assert_eq!(ear.numbers(1).await, [1]);
        let record = format!("{}:record", group_name(&prefix, key));
        meddle(&redis, &[&["DEL", &record]]).await;
        instance.count(key, [2]).await;
        let again = ear.joined().await;
        assert!(again.is_again && again.epoch != before.epoch, "{again:?}");
        assert!(matches!(again.recovery, Recovery::SnapshotNeeded));
        instance.count(key, [3]).await;
        assert_eq!(ear.numbers(1).await, [3]);
    }
}

#[actix_web::test]
async fn numbers_that_were_given_out_and_lost_are_not_given_out_again() {
    for redis in redises() {
        let prefix = new_prefix();
        let instance = Instance::with(&redis, &prefix).await;
        let key = any_group();
        let (mut ear, before) = instance.join(key, None).await;
        instance.count(key, [1, 2, 3]).await;
        assert_eq!(ear.numbers(3).await, [1, 2, 3]);
        // As a replica has it that took over before it had heard of the last two.
        let name = group_name(&prefix, key);
        let (record, events) = (format!("{name}:record"), format!("{name}:events"));
        let seq = (before.seq + 1).to_string();
        meddle(&redis, &[&["HSET", &record, "seq", &seq], &["LTRIM", &events, "0", "0"]]).await;
        instance.count(key, [4]).await;
        let again = ear.joined().await;
        assert!(again.is_again && again.epoch != before.epoch, "{again:?}");
    }
}

#[actix_web::test]
async fn while_redis_is_away_each_instance_numbers_by_itself_and_goes_back_afterwards() {
    for (here, there) in pairs().await {
        let key = any_group();
        let ((mut first, before), (mut second, _)) =
            (here.join(key, None).await, there.join(key, None).await);
        for instance in [&here, &there] {
            instance.groups.set_alone(true);
            instance.groups.publish(
                key,
                EventId::new(),
                Timestamp::now(),
                r#"{"type":"counted","number":1}"#.into(),
            );
        }
        for ear in [&mut first, &mut second] {
            let alone = ear.joined().await;
            assert!(alone.is_again && alone.epoch != before.epoch);
            assert_eq!(ear.numbers(1).await, [1]);
        }
        for instance in [&here, &there] {
            instance.groups.set_alone(false);
        }
        for ear in [&mut first, &mut second] {
            let back = ear.joined().await;
            assert!(back.is_again && back.epoch == before.epoch);
        }
        here.count(key, [2]).await;
        assert_eq!((first.numbers(1).await, second.numbers(1).await), (vec![2], vec![2]));
    }
}

#[actix_web::test]
async fn what_is_kept_is_given_out_in_bounded_answers() {
    for (here, there) in pairs().await {
        let key = any_group();
        let (_ear, joined) = here.join(key, None).await;
        let filling = "x".repeat(200 * 1024);
        for number in 1..=4 {
            let frame = raw(&json!({"type": "counted", "number": number, "filling": filling}));
            here.relay(vec![Dispatch::Publish { groups: vec![key], frame }]).await;
        }
        let (_, first) = there.join(key, since(&joined, joined.seq)).await;
        assert_eq!(missed(&first), None, "the first of them are not known there");
        let (_, second) = there.join(key, since(&joined, joined.seq + 2)).await;
        assert_eq!(missed(&second), Some(vec![3, 4]));
    }
}

#[actix_web::test]
async fn who_listens_on_another_instance_is_known_where_nobody_does() {
    for (here, there) in pairs().await {
        let key = GroupKey::Order(OrderId::new());
        let user_id = UserId::new();
        let (_ear, _) = there.join_as(user_id, key, None).await;
        // Its note is on its way to Redis before the join is answered, on a link of its own.
        let known = async {
            while here.groups.listeners(key).await.users != [user_id] {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, known).await.expect("in time");
    }
}
