// A client as it is written for Odoo without a library: JSON-RPC by fetch.
const [url, database, key, user] = process.argv.slice(2);
let next = 0;

async function rpc(service, method, args) {
  const response = await fetch(`${url}/jsonrpc`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", method: "call", id: ++next, params: { service, method, args } }),
  });
  const answer = await response.json();
  if (answer.id !== next) throw new Error(`an answer to ${answer.id}`);
  if (answer.error) throw Object.assign(new Error(answer.error.data.message), { name: answer.error.data.name });
  return answer.result;
}

const uid = await rpc("common", "authenticate", [database, "admin", key, {}]);
const execute = (model, method, args = [], kwargs = {}) =>
  rpc("object", "execute_kw", [database, uid, key, model, method, args, kwargs]);
const status = async () =>
  (await execute("res.users", "check_synchronization_status", [[Number(user)]])).microsoft_calendar;

const told = { uid };
const accounts = await execute("outlook.bridge.account", "search_read", [[["state", "=", "active"]]], { fields: ["login"] });
told.accounts = accounts.map((account) => account.login);
await execute("outlook.bridge.journal", "search_read", [[]], { limit: 5 });
await execute("res.users", "stop_microsoft_synchronization", [[Number(user)]]);
told.stopped = await status();
await execute("res.users", "restart_microsoft_synchronization", [[Number(user)]]);
told.restarted = await status();
const settings = await execute("res.config.settings", "create", [{ cal_microsoft_sync_paused: true }]);
await execute("res.config.settings", "execute", [[settings]]);
told.paused = (await execute("res.config.settings", "get_values")).cal_microsoft_sync_paused;
await execute("res.users", "unpause_microsoft_synchronization", [[Number(user)]]);
told.refused = await rpc("object", "execute_kw", [database, uid, "wrong", "res.users", "context_get", []]).catch(
  (error) => error.name,
);
const reset = await execute("microsoft.calendar.account.reset", "create", [{ user_id: Number(user) }]);
told.preview = (await execute("microsoft.calendar.account.reset", "preview", [[reset]])).login;
await execute("microsoft.calendar.account.reset", "reset_account", [[reset]]);
told.reset = await status();
console.log(JSON.stringify(told));
