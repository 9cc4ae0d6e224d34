//! What the servers of a test have in Redis.

use redis::Commands;

use super::TestDatabase;

/// Lets Redis forget the numbering of a group, as if it had lost its data; `false` where Redis is not used.
pub fn forget(database: &TestDatabase, group: &str) -> bool {
    let Some((url, prefix)) = database.redis() else { return false };
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("Redis answers");
    let keys = ["record", "events"].map(|key| format!("{prefix}:{{{group}}}:{key}"));
    connection.del::<_, ()>(&keys).expect("they are gone");
    true
}
