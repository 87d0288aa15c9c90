//! The tables as diesel sees them; kept equal to `migrations/` by a test.

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::people::Xid8;

    databases (id) {
        id -> Uuid,
        uuid -> Text,
        name -> Text,
        base_url -> Text,
        series -> Text,
        key_hash -> Nullable<Binary>,
        poke_key -> Binary,
        nonce -> Text,
        previous_nonce -> Nullable<Text>,
        paused -> Bool,
        quarantined -> Nullable<Text>,
        policy -> Text,
        brake_over -> Integer,
        brake_percent -> Integer,
        mail_budget -> Integer,
        created_at -> Timestamptz,
        paired_at -> Timestamptz,
        next_key_hash -> Nullable<Binary>,
        heard_at -> Timestamptz,
        days_back -> Nullable<Integer>,
        days_ahead -> Nullable<Integer>,
        sent_back -> Nullable<Integer>,
        created_from -> Nullable<Timestamptz>,
        last_call -> BigInt,
        called_at -> Nullable<Timestamptz>,
        clock_behind -> BigInt,
        exchange_failures -> Integer,
        failing_since -> Nullable<Timestamptz>,
        exchange_problem -> Nullable<Text>,
        unpaired_at -> Nullable<Timestamptz>,
        others_outside -> Integer,
        mails_an_hour -> Integer,
        moved -> Nullable<Text>,
        moved_words -> Nullable<Jsonb>,
        api -> Nullable<Integer>,
        api_lowest -> Nullable<Integer>,
        notify_retry_at -> Nullable<Timestamptz>,
        notify_problem -> Nullable<Text>,
        poked_at -> Nullable<Timestamptz>,
        people_epoch -> Xid8,
        choices -> Jsonb,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::people::Xid8;

    registrations (id) {
        id -> BigInt,
        database_id -> Uuid,
        company_id -> Nullable<Integer>,
        client_id -> Text,
        client_secret -> Nullable<Binary>,
        tenant -> Nullable<Text>,
        secret_expires_on -> Nullable<Date>,
        problem -> Nullable<Text>,
        retired -> Bool,
        state_xid -> Xid8,
        problem_words -> Nullable<Jsonb>,
    }
}

diesel::table! {
    resets (account_id) {
        account_id -> BigInt,
        tenant_id -> Text,
        object_id -> Text,
        total -> Integer,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        database_id -> Uuid,
        key_hash -> Binary,
        name -> Text,
        odoo_user_id -> Nullable<Integer>,
        may_write -> Bool,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sessions (token_hash) {
        token_hash -> Binary,
        key_hash -> Binary,
        database_id -> Uuid,
        login -> Text,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    wizards (id) {
        id -> BigInt,
        database_id -> Uuid,
        model -> Text,
        content -> Binary,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    enrollments (code_hash) {
        code_hash -> Binary,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
        database_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::store::people::Xid8;

    accounts (id) {
        id -> BigInt,
        database_id -> Uuid,
        odoo_user_id -> Integer,
        tenant_id -> Text,
        object_id -> Text,
        login -> Text,
        access_token -> Nullable<Binary>,
        refresh_token -> Nullable<Binary>,
        access_expires_at -> Nullable<Timestamptz>,
        state -> Text,
        reason -> Nullable<Text>,
        reason_words -> Nullable<Jsonb>,
        delta_link -> Nullable<Text>,
        window_start -> Nullable<Timestamptz>,
        window_end -> Nullable<Timestamptz>,
        pulled_once -> Bool,
        listing_since -> Nullable<Timestamptz>,
        existing -> Text,
        connected_at -> Timestamptz,
        ignore_before -> Nullable<Timestamptz>,
        resetting -> Bool,
        last_sync_at -> Nullable<Timestamptz>,
        next_run_at -> Timestamptz,
        failures -> Integer,
        brake_at -> Nullable<Timestamptz>,
        brake_removals -> Integer,
        brake_of -> Integer,
        rest_until -> Nullable<Timestamptz>,
        mails_held -> Integer,
        unseen_conflicts -> Integer,
        registration_id -> Nullable<BigInt>,
        brake_earlier -> Integer,
        lease_id -> Nullable<Uuid>,
        lease_beats -> BigInt,
        removals_answer -> Nullable<Text>,
        mails_answer -> Nullable<Text>,
        news_at -> Nullable<Timestamptz>,
        watched_until -> Nullable<Timestamptz>,
        people_xid -> Xid8,
        urgency -> SmallInt,
        waiting -> BigInt,
        state_xid -> Xid8,
        settled_to -> BigInt,
        choices -> Jsonb,
    }
}

diesel::table! {
    calendars (id) {
        id -> BigInt,
        account_id -> BigInt,
        graph_id -> Text,
        name -> Text,
        can_edit -> Bool,
        listed_at -> Timestamptz,
        delta_link -> Nullable<Text>,
        window_start -> Nullable<Timestamptz>,
        window_end -> Nullable<Timestamptz>,
        listing_since -> Nullable<Timestamptz>,
        tried_at -> Nullable<Timestamptz>,
        retry_at -> Nullable<Timestamptz>,
        failures -> Integer,
        problem -> Nullable<Jsonb>,
    }
}

diesel::table! {
    subscriptions (account_id) {
        account_id -> BigInt,
        graph_id -> Nullable<Text>,
        state_hash -> Binary,
        url_hash -> Binary,
        since -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        due_at -> Timestamptz,
        failures -> Integer,
        heard_at -> Nullable<Timestamptz>,
        silent_since -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    mail_hours (account_id) {
        account_id -> BigInt,
        began -> Timestamptz,
        mails -> Integer,
    }
}

diesel::table! {
    account_addresses (account_id) {
        account_id -> BigInt,
        mail -> Nullable<Text>,
        aliases -> Array<Text>,
        told_at -> Timestamptz,
    }
}

diesel::table! {
    troubles (account_id) {
        account_id -> BigInt,
        refused_since -> Nullable<Timestamptz>,
        addresses_failed -> Integer,
        ask_addresses_at -> Nullable<Timestamptz>,
        halvings -> Integer,
        halved_at -> Nullable<Timestamptz>,
        limited_by -> Nullable<Text>,
        limited_times -> Integer,
        limited_until -> Nullable<Timestamptz>,
        claims -> Nullable<Text>,
        claims_met -> Bool,
    }
}

diesel::table! {
    login_attempts (id) {
        id -> Uuid,
        database_id -> Uuid,
        odoo_user_id -> Integer,
        verifier -> Binary,
        oidc_nonce -> Text,
        redirect_uri -> Text,
        return_url -> Text,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
        code_hash -> Nullable<Binary>,
        succeeded -> Bool,
        registration_id -> Nullable<BigInt>,
        other_login -> Nullable<Text>,
    }
}

diesel::table! {
    login_refusals (database_id, odoo_user_id) {
        database_id -> Uuid,
        odoo_user_id -> Integer,
        number -> Integer,
        at -> Timestamptz,
    }
}

diesel::table! {
    meetings (id) {
        id -> BigInt,
        database_id -> Uuid,
        link -> Uuid,
        odoo_id -> Nullable<Integer>,
        ical_uid -> Nullable<Text>,
        generation -> Integer,
        ended -> Bool,
        revived -> Bool,
        odoo_state -> Nullable<Jsonb>,
        odoo_gone -> Bool,
        odoo_times -> Jsonb,
        base_odoo -> Nullable<Jsonb>,
        base_outlook -> Nullable<Jsonb>,
        set_aside -> Nullable<Jsonb>,
        differs -> Bool,
        kept -> Bool,
        unconfirmed -> Bool,
        series_key -> Nullable<Text>,
        guests -> Text,
        collected -> Bool,
        unsent -> Bool,
        stock -> Nullable<Jsonb>,
        archived_for_outlook -> Bool,
        base_by_guest -> Bool,
        told -> Jsonb,
        hour_began -> Nullable<Timestamptz>,
        hour_writes -> Integer,
        hour_noted -> Bool,
        ended_at -> Nullable<Timestamptz>,
        stub -> Nullable<Jsonb>,
        unread -> Bool,
        look_at -> Nullable<Timestamptz>,
        saved_by -> Jsonb,
        saved_at -> Nullable<Timestamptz>,
        put_back -> Bool,
        organizer_id -> Nullable<Integer>,
        odoo_name -> Nullable<Text>,
        odoo_active -> Bool,
        attendee_user_ids -> Array<Integer>,
        stock_state -> Nullable<Text>,
        stock_microsoft_id -> Nullable<Text>,
        stock_immutable_id -> Nullable<Text>,
        stock_translated -> Bool,
        odoo_start -> Nullable<Timestamptz>,
        set_aside_code -> Nullable<Text>,
        view_of -> Nullable<Integer>,
    }
}

diesel::table! {
    copies (id) {
        id -> BigInt,
        meeting_id -> BigInt,
        account_id -> BigInt,
        graph_id -> Text,
        change_key -> Nullable<Text>,
        is_organizer -> Bool,
        state -> Jsonb,
        wire -> Jsonb,
        modified_at -> Nullable<Timestamptz>,
        seen_at -> Timestamptz,
        gone -> Bool,
        cancelled -> Bool,
        answer -> Nullable<Text>,
        answer_base -> Nullable<Text>,
        slot_answers -> Jsonb,
        slot_answers_base -> Jsonb,
        stub -> Nullable<Text>,
        unread -> Bool,
        series_id -> Nullable<Text>,
        is_series -> Bool,
        ical_uid -> Nullable<Text>,
        title -> Nullable<Text>,
        calendar -> Nullable<Text>,
    }
}

diesel::table! {
    outlook_outbox (id) {
        id -> BigInt,
        account_id -> BigInt,
        meeting_id -> BigInt,
        kind -> Text,
        graph_id -> Nullable<Text>,
        change_key -> Nullable<Text>,
        body -> Jsonb,
        odoo_state -> Nullable<Jsonb>,
        groups -> Jsonb,
        attempts -> Integer,
        next_attempt_at -> Timestamptz,
        in_flight_since -> Nullable<Timestamptz>,
        error -> Nullable<Text>,
        line -> Nullable<Jsonb>,
        series -> Bool,
        slot -> Nullable<Date>,
        mails -> Integer,
        collected -> Bool,
        stands -> Bool,
        told -> Nullable<Jsonb>,
        asks -> Nullable<Text>,
        trace -> Nullable<Text>,
    }
}

diesel::table! {
    odoo_outbox (id) {
        id -> BigInt,
        database_id -> Uuid,
        meeting_id -> BigInt,
        user_id -> Integer,
        payload -> Jsonb,
        outlook_state -> Nullable<Jsonb>,
        groups -> Jsonb,
        delivered_at -> Nullable<Timestamptz>,
        held_for -> Nullable<BigInt>,
        line -> Nullable<Jsonb>,
        attempts -> Integer,
        not_before -> Nullable<Timestamptz>,
        op -> Text,
        since -> Timestamptz,
    }
}

diesel::table! {
    removals (account_id, meeting_id) {
        account_id -> BigInt,
        meeting_id -> BigInt,
        at -> Timestamptz,
    }
}

diesel::table! {
    put_aside (id) {
        id -> BigInt,
        account_id -> BigInt,
        graph_id -> Nullable<Text>,
        meeting_id -> Nullable<BigInt>,
        reason -> Nullable<Jsonb>,
        attempts -> Integer,
        since -> Timestamptz,
        next_at -> Timestamptz,
        reason_code -> Nullable<Text>,
    }
}

diesel::table! {
    journal (id) {
        id -> BigInt,
        database_id -> Uuid,
        odoo_user_id -> Nullable<Integer>,
        odoo_id -> Nullable<Integer>,
        at -> Timestamptz,
        level -> Text,
        title -> Text,
        message -> Text,
        content -> Nullable<Jsonb>,
        series_key -> Nullable<Text>,
        side -> Nullable<Text>,
        mails -> Integer,
        organizer_id -> Nullable<Integer>,
        conflict_field -> Nullable<Text>,
        conflict_kept -> Nullable<Text>,
        conflict_odoo -> Nullable<Text>,
        conflict_outlook -> Nullable<Text>,
        conflict_other -> Nullable<Jsonb>,
        conflict_slot -> Nullable<Date>,
        words -> Nullable<Jsonb>,
        conflict_odoo_words -> Nullable<Jsonb>,
        conflict_outlook_words -> Nullable<Jsonb>,
    }
}

diesel::table! {
    seal_check (only_row) {
        only_row -> Bool,
        sealed -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    account_addresses,
    calendars,
    subscriptions,
    troubles,
    databases,
    registrations,
    resets,
    enrollments,
    api_keys,
    sessions,
    wizards,
    accounts,
    login_attempts,
    login_refusals,
    meetings,
    copies,
    outlook_outbox,
    odoo_outbox,
    put_aside,
    removals,
    journal,
    seal_check
);
