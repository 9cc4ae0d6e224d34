//! The tables, as both databases have them. `migrations/` makes them; a test compares the two.

macro_rules! tables {
    ($($table:tt)*) => { $(diesel::table! $table)* };
}

tables! {
    { users (id) {
        id -> Text,
        email -> Text,
        name -> Text,
        role -> Text,
        locale -> Text,
        password_hash -> Text,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    } }
    { partners (id) {
        id -> Text,
        user_id -> Text,
        online -> Bool,
        online_changed_at -> BigInt,
    } }
    { refresh_families (id) {
        id -> Text,
        user_id -> Text,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    } }
    { refresh_tokens (hash) {
        hash -> Text,
        family_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    } }
    { used_tickets (jti) {
        jti -> Text,
        expires_at -> BigInt,
    } }
    { orders (id) {
        id -> Text,
        status -> Text,
        version -> BigInt,
        customer_id -> Text,
        partner_id -> Nullable<Text>,
        pickup_latitude -> Double,
        pickup_longitude -> Double,
        pickup_address -> Text,
        dropoff_latitude -> Double,
        dropoff_longitude -> Double,
        dropoff_address -> Text,
        items -> Text,
        price_amount -> BigInt,
        price_currency -> Text,
        payment_method -> Text,
        notes -> Nullable<Text>,
        code -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    } }
    { order_steps (order_id, version) {
        order_id -> Text,
        version -> BigInt,
        from_status -> Nullable<Text>,
        to_status -> Text,
        party -> Text,
        user_id -> Nullable<Text>,
        reason -> Nullable<Text>,
        note -> Nullable<Text>,
        latitude -> Nullable<Double>,
        longitude -> Nullable<Double>,
        at -> BigInt,
        partner_id -> Nullable<Text>,
    } }
    { ratings (order_id) {
        order_id -> Text,
        stars -> SmallInt,
        comment -> Nullable<Text>,
        created_at -> BigInt,
    } }
    { messages (id) {
        id -> Text,
        order_id -> Text,
        number -> BigInt,
        partner_id -> Text,
        sender_id -> Text,
        party -> Text,
        client_id -> Nullable<Text>,
        text -> Text,
        masked -> Bool,
        created_at -> BigInt,
    } }
    { message_marks (order_id, user_id) {
        order_id -> Text,
        user_id -> Text,
        number -> BigInt,
        read_at -> BigInt,
    } }
    { notifications (id) {
        id -> Text,
        user_id -> Text,
        order_id -> Nullable<Text>,
        kind -> Text,
        title -> Text,
        message -> Text,
        data -> Text,
        created_at -> BigInt,
        read_at -> Nullable<BigInt>,
    } }
    { inboxes (user_id) {
        user_id -> Text,
        unread -> BigInt,
        revision -> BigInt,
    } }
    { notification_preferences (user_id, kind, channel) {
        user_id -> Text,
        kind -> Text,
        channel -> Text,
        enabled -> Bool,
    } }
    { deliveries (notification_id, channel) {
        notification_id -> Text,
        channel -> Text,
        queued_at -> BigInt,
        written_at -> Nullable<BigInt>,
        acked_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
        error -> Nullable<Text>,
    } }
    { announcements (id) {
        id -> Text,
        title -> Text,
        text -> Text,
        author_id -> Text,
        created_at -> BigInt,
        reached_user_id -> Nullable<Text>,
        done_at -> Nullable<BigInt>,
    } }
    { service_keys (hash) {
        hash -> Text,
        name -> Text,
        groups -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        replaced_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    } }
    { outbox (id) {
        id -> BigInt,
        event_id -> Text,
        at -> BigInt,
        dispatch -> Text,
    } }
    { offers (id) {
        id -> Text,
        order_id -> Text,
        partner_id -> Text,
        look -> BigInt,
        status -> Text,
        reason -> Nullable<Text>,
        pickup_distance -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        closed_at -> Nullable<BigInt>,
    } }
    { former_partners (order_id, partner_id) {
        order_id -> Text,
        partner_id -> Text,
    } }
    { dispatch_looks (order_id, look) {
        order_id -> Text,
        look -> BigInt,
        at -> BigInt,
        radius -> BigInt,
        offered -> BigInt,
        candidates -> Text,
    } }
    { deadlines (kind, subject) {
        kind -> Text,
        subject -> Text,
        order_id -> Nullable<Text>,
        due_at -> BigInt,
        attempts -> BigInt,
    } }
    { track_points (order_id, at) {
        order_id -> Text,
        at -> BigInt,
        latitude -> Double,
        longitude -> Double,
        accuracy -> Nullable<Double>,
        speed -> Nullable<Double>,
        heading -> Nullable<Double>,
        flagged -> Bool,
    } }
    { partner_positions (partner_id) {
        partner_id -> Text,
        at -> BigInt,
        latitude -> Double,
        longitude -> Double,
        accuracy -> Nullable<Double>,
    } }
    { order_marks (order_id, mark) {
        order_id -> Text,
        mark -> Text,
        at -> BigInt,
    } }
    { leases (name) {
        name -> Text,
        holder -> Text,
        term -> BigInt,
        route -> Text,
        expires_at -> BigInt,
    } }
    { idempotency_keys (scope, key) {
        scope -> Text,
        key -> Text,
        fingerprint -> Text,
        status -> SmallInt,
        body -> Text,
        created_at -> BigInt,
    } }
    { ledger_accounts (id) {
        id -> Text,
        kind -> Text,
        owner -> Text,
        currency -> Text,
        balance -> BigInt,
        revision -> BigInt,
    } }
    { ledger_transactions (id) {
        id -> Text,
        kind -> Text,
        key -> Text,
        order_id -> Nullable<Text>,
        transfer_id -> Nullable<Text>,
        by_user -> Nullable<Text>,
        note -> Nullable<Text>,
        created_at -> BigInt,
    } }
    { ledger_entries (account_id, number) {
        account_id -> Text,
        number -> BigInt,
        transaction_id -> Text,
        amount -> BigInt,
        balance_after -> BigInt,
        created_at -> BigInt,
    } }
    { payments (order_id) {
        order_id -> Text,
        customer_id -> Text,
        method -> Text,
        status -> Text,
        currency -> Text,
        amount -> BigInt,
        captured -> BigInt,
        refunded -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    } }
    { transfers (id) {
        id -> Text,
        kind -> Text,
        user_id -> Text,
        partner_id -> Nullable<Text>,
        currency -> Text,
        amount -> BigInt,
        status -> Text,
        reference -> Nullable<Text>,
        failure -> Nullable<Text>,
        asks -> BigInt,
        ask_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    } }
    { provider_events (provider, id) {
        provider -> Text,
        id -> Text,
        received_at -> BigInt,
    } }
    { activities (id) {
        id -> Text,
        user_id -> Nullable<Text>,
        role -> Nullable<Text>,
        action -> Text,
        order_id -> Nullable<Text>,
        at -> BigInt,
    } }
    { claims (order_id) {
        order_id -> Text,
        user_id -> Text,
        at -> BigInt,
        until -> BigInt,
    } }
}

diesel::joinable!(partners -> users (user_id));
diesel::joinable!(orders -> users (customer_id));
diesel::joinable!(messages -> users (sender_id));
diesel::joinable!(claims -> users (user_id));
diesel::joinable!(claims -> orders (order_id));
diesel::joinable!(deliveries -> notifications (notification_id));
diesel::joinable!(refresh_families -> users (user_id));
diesel::joinable!(refresh_tokens -> refresh_families (family_id));
diesel::joinable!(ledger_entries -> ledger_accounts (account_id));
diesel::joinable!(ledger_entries -> ledger_transactions (transaction_id));
diesel::allow_tables_to_appear_in_same_query!(ledger_accounts, ledger_entries, ledger_transactions);
diesel::allow_tables_to_appear_in_same_query!(
    users,
    partners,
    activities,
    claims,
    orders,
    order_steps,
    ratings,
    messages,
    message_marks,
    notifications,
    inboxes,
    notification_preferences,
    deliveries,
    refresh_families,
    refresh_tokens,
);

// The users behind the partners of orders, beside the customers.
diesel::alias!(users as partner_users: PartnerUsers);
