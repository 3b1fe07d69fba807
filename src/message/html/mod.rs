//! HTML as a stream of tokens: enough to vet a mail's HTML, to put a footer into it and to write its text
//! alternative. No tree is built. The tokens follow the HTML standard's tokenizer where mail programs could
//! disagree with a simpler reading: case, entities, comments, unquoted and repeated attributes, raw text.

pub mod beside;
pub mod css;
pub mod entity;
pub mod plain;
pub mod token;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
