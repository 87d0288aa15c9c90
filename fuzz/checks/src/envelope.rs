//! The envelope of `/jsonrpc`, before any key is known.

use outlook_bridge::odoo::rpc::{self, Request};
use serde_json::Value;

use crate::in_time;

pub fn check(data: &[u8]) {
    in_time("a request", || checked(data));
}

fn checked(data: &[u8]) {
    let answer = match rpc::read(data) {
        Err(malformed) => {
            let answer = malformed.to_json();
            let code = answer["error"]["code"].as_i64();
            assert!(matches!(code, Some(-32700 | -32600)), "{answer}");
            answer
        }
        Ok(envelope) => {
            let id = envelope.id.clone();
            let result = match envelope.request {
                Ok(Request::Version) => Ok(rpc::version()),
                Ok(Request::About { extended }) => Ok(Value::Bool(extended)),
                Ok(Request::LogIn(login)) => Ok(Value::String(login.login)),
                Ok(Request::Execute(call)) => Ok(Value::Object(call.kwargs)),
                Ok(Request::Discover) => Ok(Value::Null),
                Err(error) => Err(error),
            };
            let answer = rpc::answer(envelope.id, result);
            assert_eq!(answer["id"], id);
            answer
        }
    };
    assert_eq!(answer["jsonrpc"], "2.0");
    assert!(
        answer.get("result").is_some() != answer.get("error").is_some(),
        "{answer}"
    );
    if let Some(error) = answer.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
    }
}
