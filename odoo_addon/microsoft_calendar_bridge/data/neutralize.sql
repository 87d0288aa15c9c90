-- a neutralized copy must not act as the original
DELETE FROM ir_config_parameter
 WHERE key IN ('microsoft_calendar_bridge.url', 'microsoft_calendar_bridge.key');
UPDATE outlook_bridge_state
   SET poke_key = NULL, base_url = NULL, told = NULL, told_to = NULL, last_error = NULL, failure = NULL,
       failing_since = NULL, jobs_late_until = NULL;
UPDATE outlook_bridge_fence SET nonce = NULL, next_nonce = NULL;
-- nor show accounts as connected, nor send what was saved in the original
DELETE FROM outlook_bridge_account;
DELETE FROM mail_activity WHERE res_model IN ('outlook.bridge.account', 'outlook.bridge.state');
DELETE FROM outlook_bridge_outbox;
DELETE FROM outlook_bridge_result;
DELETE FROM outlook_bridge_work;
