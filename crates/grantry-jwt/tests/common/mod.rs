//! What the vector tests share.
#![allow(dead_code, reason = "each test file takes what it needs")]

use grantry_core::base64url;
use grantry_jwt::{Algorithm, Backend, KeyLoader};
use serde_json::Value;

/// Reads the vectors of a file.
pub(crate) fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

/// Returns a string member.
pub(crate) fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap()
}

/// Returns the strings of an array member.
pub(crate) fn texts<'a>(vector: &'a Value, member: &str) -> Vec<&'a str> {
    vector[member].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// Returns a base64url member, decoded.
pub(crate) fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    base64url::decode(text(vector, member)).unwrap()
}

/// Returns a member as JSON text.
pub(crate) fn json(vector: &Value, member: &str) -> Vec<u8> {
    vector[member].to_string().into_bytes()
}

/// Returns a loader of a backend for keys that name no algorithm but are meant for this one.
pub(crate) fn loader(backend: impl Backend + 'static, algorithm: &str) -> KeyLoader {
    let loader = KeyLoader::new(backend);
    match Algorithm::parse(algorithm) {
        Some(algorithm) => loader.with_algorithm_of_unnamed(algorithm),
        None => loader,
    }
}
