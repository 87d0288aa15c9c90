-- a neutralized copy must not speak for the original
DELETE FROM ir_config_parameter
 WHERE key IN ('microsoft_calendar_bridge.url', 'microsoft_calendar_bridge.key');
UPDATE outlook_bridge_state
   SET nonce = NULL, next_nonce = NULL, poke_key = NULL;
